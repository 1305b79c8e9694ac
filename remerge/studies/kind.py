"""What a kind of study is made of, and where.

A kind is two modules of this package: ``KIND.py``, which offers what :class:`Kind` says and can be imported without
torch, pandas and matplotlib, and ``KIND_figure.py``, which offers ``draw(table, labels, looks)``. Both are imported by
name, so that an edit of one kind does not run another again; and the registry is not imported here, so that a new kind
runs none again.
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    import pandas as pd

    from remerge.checkpoints.weights import Weights
    from remerge.scoring.bench import Variant
    from remerge.studies.columns import References
    from remerge.studies.drawing import Draw
    from remerge.studies.methods import Merging
    from remerge.studies.settings import Study


class Kind(Protocol):
    """What the module of a kind offers.

    If its claims tell encoders apart by more than the columns of score files, it also offers ``LABELS``, the values of
    each further column, and ``encoders(scores)``, which returns the rows of score files that are of test images, with
    these columns.

    Attributes:
        Settings: What the configuration says of such a study.
        CAPTION: What to see in its figure.
        NOTE: What a reader of its table must know.
    """

    Settings: "type[Study]"
    CAPTION: str
    NOTE: str

    def variants(
        self, task_vectors: "Mapping[str, Weights]", merging: "Merging", **settings: Any
    ) -> "Iterator[Variant]":
        """Yield the encoders of one part of a study.

        Args:
            task_vectors: By task, of those tasks of the study that have an expert.
            merging: The methods of the configuration, and the bench with its images. A variant that none of them
                could say anything of need not be made.
            settings: What :meth:`remerge.studies.settings.Study.settings_of` returns for the part.
        """

    def table(self, settings: Any, scores: "pd.DataFrame", references: "References") -> "pd.DataFrame":
        """Return a study's table: what tells rows apart, then percentages and counts.

        Args:
            settings: The study's.
            scores: Rows of the score files of all its parts, with ``accuracy`` in percent; at least one.
            references: Accuracy in percent of ``individual`` and, if it was scored, ``pretrained``, by task.
        """


def module_of(kind: str) -> str:
    """Return the name of a kind's module."""
    return f"remerge.studies.{kind}"


def figure_of(kind: str) -> str:
    """Return the name of the module that draws a kind's table."""
    return f"{module_of(kind)}_figure"


def load(kind: str) -> Kind:
    """Import and return a kind's module."""
    return cast(Kind, importlib.import_module(module_of(kind)))


def load_draw(kind: str) -> "Draw":
    """Import what draws a kind's table."""
    return cast("Draw", importlib.import_module(figure_of(kind)).draw)
