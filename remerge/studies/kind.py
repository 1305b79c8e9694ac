"""The interface of a kind of study.

A kind is two modules of this package: ``KIND.py``, which implements :class:`Kind` and can be imported without torch,
pandas or matplotlib, and ``KIND_figure.py``, which defines ``draw(table, labels, looks)``. Both are imported by name,
so that editing one kind reruns no other. The registry is not imported here, so that adding a kind reruns nothing.
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
    """The interface of a kind's module.

    If claims about its encoders need more columns than score files have, the module also defines ``LABELS``, with the
    values of each additional column, and ``encoders(scores)``, which returns the rows of score files for test images
    with these columns.

    Attributes:
        Settings: Model of such a study's entry in the configuration.
        QUESTION: The question that it answers, which is its heading in the report.
        CAPTION: Caption of the figure.
        NOTE: Note under the table.
    """

    Settings: "type[Study]"
    QUESTION: str
    CAPTION: str
    NOTE: str

    def variants(
        self, task_vectors: "Mapping[str, Weights]", merging: "Merging", **settings: Any
    ) -> "Iterator[Variant]":
        """Yield the encoders of one part of a study.

        Args:
            task_vectors: By task, for those tasks of the study that have an expert.
            merging: The methods of the configuration, and the bench with its images. Variants that no image could be
                scored on may be skipped.
            settings: What :meth:`remerge.studies.settings.Study.settings_of` returns for the part.
        """

    def table(self, settings: Any, scores: "pd.DataFrame", references: "References") -> "pd.DataFrame":
        """Return a study's table: columns that identify the row, then percentages and counts.

        Args:
            settings: The study's settings.
            scores: Rows of the score files of all its parts, with ``accuracy`` in percent; at least one row.
            references: Accuracy in percent of ``individual`` and, if it was scored, ``pretrained``, by task.
        """

    def answer(self, table: "pd.DataFrame", labels: Mapping[str, str]) -> str:
        """Return a sentence that answers the question with numbers of the table; empty if it has none of them.

        Args:
            table: The result of :meth:`table`, with at least one row; cells of tasks without images are missing.
            labels: Display names of methods.
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
    """Import and return the function that draws a kind's table."""
    return cast("Draw", importlib.import_module(figure_of(kind)).draw)
