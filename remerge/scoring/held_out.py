"""The data that methods use, with a mark where the experts may have been trained on the validation images.

Validation images, or texts, are a tenth of those for training, sampled with the Task Arithmetic authors' permutation.
Experts trained here have not seen them. The authors' experts were trained on the rest of *their* copy, whose order of
images is unknown, and it is unknown whether FusionBench's experts left out any of those for training.
"""

from collections.abc import Iterable, Sequence

MARK = " (perhaps trained on)"
NOTE = (
    "Perhaps trained on: validation images or texts are drawn from those for training, and nothing shows that these "
    "experts, downloaded, were not trained on them."
)


def looks_at(needs: Sequence[str], is_tuned: bool, holds_out: bool) -> list[str]:
    """Return the data that a method uses in addition to the checkpoints.

    Args:
        needs: The data that its algorithm uses.
        is_tuned: Whether its scaling is chosen by accuracy on validation images.
        holds_out: Whether validation images are known to have been held out from the experts' training.
    """
    data = [*needs, *(["validation labels"] if is_tuned else [])]
    return [name if holds_out or "validation" not in name else name + MARK for name in data]


def notes_on(uses: Iterable[str]) -> list[str]:
    """Return the note below a table whose rows use the data ``uses``."""
    return [NOTE] if any(MARK in name for name in uses) else []
