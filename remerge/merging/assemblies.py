"""Files of merged results: one that all tasks share and, if the assembly needs them, one part per task.

Tables use this module to find what is stored and whether the task's name is needed; nothing here imports torch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from remerge.checkpoints.headers import SEPARATOR, merged_of, read_metadata, read_shapes
from remerge.errors import RemergeError
from remerge.merging.multiply_adds import (
    Shapes,
    of_adapter,
    of_encoder,
    of_mixing,
    of_nothing,
    of_routing,
    of_twins,
)


@dataclass(frozen=True)
class Assembly:
    """How encoders are made from the files of a merged result.

    Attributes:
        module: The module of its class, a subclass of :class:`remerge.merging.merged.Merged`.
        name: The name of the class.
        needs_task_name: Whether encoders differ between tasks, so that the task of every image must be known.
        added: Counts the multiply-adds that an image takes beyond the encoder's own, given the shapes of the tensors in
            the shared file and in each part; None if they are not counted.
    """

    module: str
    name: str
    needs_task_name: bool = False
    added: Callable[[Shapes, Sequence[Shapes]], int] | None = None


ASSEMBLIES = {
    "plain": Assembly("remerge.merging.merged", "Plain", added=of_nothing),
    "masked": Assembly("remerge.merging.masked", "Masked", needs_task_name=True, added=of_nothing),
    "low_rank": Assembly("remerge.merging.low_rank", "LowRank", needs_task_name=True, added=of_nothing),
    "routed": Assembly("remerge.merging.routed", "Routed", added=of_routing),
    "adapted": Assembly("remerge.merging.adapted", "Adapted", needs_task_name=True, added=of_adapter),
    "twin": Assembly("remerge.merging.twins", "Twin", added=of_twins),
    "ensembled": Assembly("remerge.merging.ensembled", "Ensembled", added=of_mixing),
}
"""Assemblies by the name in the shared file's header; the default is ``plain``."""


class MergedFiles:
    """The files of a merged result, such as ``ties.safetensors`` and ``ties/latin.safetensors``.

    Attributes:
        path: The shared file.
        assembly: How encoders are made from the files.
        parts: By task, the file with its part; empty if the assembly needs none.
    """

    def __init__(self, path: str | Path) -> None:
        """Find the files.

        Raises:
            RemergeError: The shared file or a part is missing or incomplete, the assembly is unknown, or a part belongs
                to another merged result; the message names the file and the remedy.
        """
        self.path = Path(path)
        header = read_metadata(path)
        name = header.get("assembly", "plain")
        if name not in ASSEMBLIES:
            raise RemergeError(
                f"{path}: the header names the assembly {name!r}; known: {', '.join(ASSEMBLIES)}; read it with the "
                "version of remerge that wrote it, or delete it to have it made again"
            )
        self.assembly = ASSEMBLIES[name]
        tasks = header["parts"].split(SEPARATOR) if "parts" in header else []
        self.parts = {task: part_path(path, task) for task in tasks}
        for task, part in self.parts.items():
            if not part.exists():
                raise RemergeError(
                    f"{part}: missing, the part of {path} for {task}; delete {path} to have both made again"
                )
            if read_metadata(part).get("digest") != header["digest"]:
                raise RemergeError(
                    f"{part}: belongs to another merged result than {path}, of another pre-trained encoder or made in "
                    f"another run; delete {path} to have both made again"
                )

    @property
    def columns(self) -> dict[str, str]:
        """Columns of its score files: ``merged``, its tasks, if some were skipped; ``task_name`` if it is needed."""
        return merged_of(self.path) | ({"task_name": "needed"} if self.assembly.needs_task_name else {})

    @property
    def shared_bytes(self) -> int:
        """Size of the shared file."""
        return self.path.stat().st_size

    @property
    def part_bytes(self) -> dict[str, int]:
        """Sizes of the parts by task."""
        return {task: path.stat().st_size for task, path in self.parts.items()}

    @property
    def more_per_image(self) -> float | None:
        """Multiply-adds that an image takes beyond the encoder's own, in percent of these; None if not counted."""
        if self.assembly.added is None:
            return None
        shared = read_shapes(self.path)
        added = self.assembly.added(shared, [read_shapes(path) for path in self.parts.values()])
        return added and 100 * added / of_encoder(shared)


def part_path(path: str | Path, task: str) -> Path:
    """Return the path of a task's part, in the folder that is named after the shared file."""
    return Path(path).with_suffix("") / f"{task}.safetensors"
