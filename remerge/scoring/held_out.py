"""What methods look at, with a mark where validation images may be among those the experts were trained on.

Validation images are a tenth of the training images, drawn by the Task Arithmetic authors' permutation. Experts trained
here have not seen them. The authors' own were trained on the rest of *their* copy, whose order of images is not known,
and FusionBench's are not known to leave any training image out.
"""

from collections.abc import Iterable, Sequence

MARK = " (perhaps trained on)"
NOTE = (
    "Perhaps trained on: validation images are drawn from the training images, and nothing shows that these experts, "
    "downloaded, were not trained on them."
)


def looks_at(needs: Sequence[str], is_tuned: bool, holds_out: bool) -> list[str]:
    """Return the data that a method looks at beyond the checkpoints.

    Args:
        needs: What its algorithm looks at.
        is_tuned: Whether its scaling is chosen by accuracy on validation images.
        holds_out: Whether validation images are known to be held out of the experts' training.
    """
    data = [*needs, *(["validation labels"] if is_tuned else [])]
    return [name if holds_out or "validation" not in name else name + MARK for name in data]


def notes_on(uses: Iterable[str]) -> list[str]:
    """Return what to say below a table whose rows look at ``uses``."""
    return [NOTE] if any(MARK in name for name in uses) else []
