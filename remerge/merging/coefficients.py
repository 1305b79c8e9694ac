"""Merging by coefficients, one per task or one per task and layer, and the files that store them.

A layer is one tensor of the state dict, as in AdaMerging's code (arXiv:2310.02575, section 3.2).
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from remerge.checkpoints.weights import Weights
from remerge.errors import RemergeError
from remerge.merging.rules import MergeRule, Place
from remerge.merging.streaming import merged_by
from remerge.merging.ties import TiesRule
from remerge.run.atomic import atomic_path

ALL_LAYERS = "all"
"""The value of the file's column ``layer`` for a coefficient that scales a whole task vector."""

COLUMNS = ("step", "task", "layer", "value")


@dataclass(frozen=True)
class Coefficients:
    """Merging coefficients at some steps of learning.

    Attributes:
        steps: The recorded steps, ascending; 0 is before the first update.
        tasks: Names of tasks, one per task vector.
        layers: State-dict keys, or ``("all",)`` when each task has one coefficient.
        values: float32 ``[steps, tasks, layers]``.
    """

    steps: tuple[int, ...]
    tasks: tuple[str, ...]
    layers: tuple[str, ...]
    values: Tensor

    def at(self, step: int) -> "Coefficients":
        """Return the coefficients at one recorded step.

        Raises:
            RemergeError: The step was not recorded.
        """
        if step not in self.steps:
            raise RemergeError(f"no coefficients were recorded at step {step}; recorded: {self.steps}")
        return Coefficients((step,), self.tasks, self.layers, self.values[[self.steps.index(step)]])


class ByCoefficients(MergeRule):
    """The sum over tasks of coefficient times task vector (AdaMerging, equations 2 and 3)."""

    def __init__(self, coefficients: Tensor, layers: Sequence[str], ties: TiesRule | None = None) -> None:
        self.coefficients = coefficients
        self.column = {layer: index for index, layer in enumerate(layers)}
        self.ties = ties

    def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
        """Return the weighted sum of the entries, without outvoted ones if signs are elected."""
        index = self.column.get(place.key, self.column.get(ALL_LAYERS))
        if index is None:
            raise RemergeError(f"no coefficient for layer {place.key!r}; there are: {', '.join(self.column)}")
        if self.ties:
            entries = list(self.ties.outvote(place, entries))
        merged = torch.zeros_like(entries[0])
        for vector, coefficient in zip(entries, self.coefficients[:, index].tolist(), strict=True):
            merged.add_(vector, alpha=coefficient)
        return merged

    def repeat(self) -> Sequence[Place]:
        """Return the tiles that the election of signs must see again."""
        return self.ties.repeat() if self.ties else ()


def merge_by(task_vectors: Sequence[Weights], coefficients: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """Return the sum over tasks of coefficient times task vector.

    Args:
        task_vectors: One per task.
        coefficients: ``[tasks, layers]``.
        layers: The columns' state-dict keys, or ``["all"]``.

    Raises:
        RemergeError: There are more or fewer rows than tasks, or a tensor has no coefficient.
    """
    if len(coefficients) != len(task_vectors):
        raise RemergeError(f"{len(coefficients)} rows of coefficients for {len(task_vectors)} task vectors")
    return merged_by(ByCoefficients(coefficients, layers), task_vectors)


def write_coefficients(path: str | Path, coefficients: Coefficients) -> None:
    """Write a CSV file with columns step, task, layer, value; 9 digits, so that float32 is read back exactly."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_rows(coefficients))


def _rows(coefficients: Coefficients) -> Iterator[tuple[int, str, str, str]]:
    for step, by_task in zip(coefficients.steps, coefficients.values.tolist(), strict=True):
        for task, by_layer in zip(coefficients.tasks, by_task, strict=True):
            for layer, value in zip(coefficients.layers, by_layer, strict=True):
                yield step, task, layer, f"{value:.9g}"


def read_coefficients(path: str | Path) -> Coefficients:
    """Read a file that :func:`write_coefficients` wrote, or any other file with the same columns.

    Raises:
        RemergeError: The file does not exist, a column is missing, a value is not a finite number, an entry is listed
            twice, or a step lacks the coefficient of a task and layer; the message names the file and line or entry.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise RemergeError(f"{path}: columns must be {', '.join(COLUMNS)}, found {reader.fieldnames}")
            values = {}
            for row in reader:
                try:
                    entry, value = (int(row["step"]), row["task"], row["layer"]), float(row["value"])
                except (TypeError, ValueError) as error:
                    raise RemergeError(f"{path}, line {reader.line_num}: {error}") from error
                if entry in values:
                    raise RemergeError(f"{path}, line {reader.line_num}: (step, task, layer) {entry} comes twice")
                values[entry] = value
    except FileNotFoundError as error:
        raise RemergeError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RemergeError(f"{path}: cannot be read as a CSV file ({error})") from error
    if not values:
        raise RemergeError(f"{path}: no coefficients")
    steps = tuple(sorted({step for step, _, _ in values}))
    tasks = tuple(dict.fromkeys(task for _, task, _ in values))
    layers = tuple(dict.fromkeys(layer for _, _, layer in values))
    try:
        tensor = torch.tensor([[[values[s, t, n] for n in layers] for t in tasks] for s in steps])
    except KeyError as error:
        raise RemergeError(f"{path}: no coefficient for (step, task, layer) {error}") from error
    if not tensor.isfinite().all():
        raise RemergeError(f"{path}: a coefficient is not a finite number")
    return Coefficients(steps, tasks, layers, tensor)
