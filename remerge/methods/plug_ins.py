"""Plug-ins: methods that wrap another method, such as LiNeS around TIES-Merging.

A plug-in is a method of kind ``rule`` whose parameters are a :class:`PlugIn`. The method that it wraps, of kind
``rule`` too and possibly another plug-in, is named under ``around``: by its algorithm, or with parameters. Its scaling
is left out, since the plug-in's scales the result. ::

    lines: {label: LiNeS, algorithm: lines, around: task_arithmetic}
    lines-ties: {label: LiNeS (TIES), algorithm: lines, around: {algorithm: ties, keep: 0.1}}

``merge_rule(task_vectors, around, **parameters)`` of the plug-in's file has :func:`wrapped_rule` make the wrapped rule
and returns a :class:`remerge.merging.rules.Around`. A plug-in may change

- what is merged: ``after(place, merged, entries)`` of its rule, as LiNeS and Consensus do;
- what it is merged from: ``before(place, entries)`` of its rule, as DARE does. It hands
  :class:`remerge.merging.streaming.Computed` task vectors with the same changes to :func:`wrapped_rule`.

What it must know of the whole merged task vector before it changes any entry, such as a norm, it measures while
:func:`remerge.merging.streaming.merge_tiles` merges by the wrapped rule; after that, the rule has seen all it must see
twice.

Methods of other kinds that start from another method's merge, as MaTS does, have the same parameter, and
:func:`wrapped_merge` merges by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from remerge.methods import load
from remerge.methods.parameters import Around, Method, method_of, parameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from remerge.checkpoints.weights import Weights
    from remerge.merging.rules import MergeRule


@dataclass(frozen=True, kw_only=True)
class PlugIn(Method):
    """What methods share that wrap another method."""

    around: Around = parameter(
        description="The method that it wraps: the algorithm of a method that merges task vectors alone or, with "
        "parameters, `{algorithm: ties, keep: 0.1}`; of `scaling` there is only the plug-in's.",
    )

    @property
    def wrapped(self) -> Method:
        """The method that it wraps."""
        return method_of(self.around)

    @property
    def algorithms(self) -> list[str]:
        """Its algorithm, and those of the method that it wraps."""
        return [self.algorithm, *self.wrapped.algorithms]

    @property
    def svd_layout(self) -> str:
        """That of the wrapped method, which merges the same task vectors."""
        return self.wrapped.svd_layout

    @property
    def files(self) -> list[str]:
        """Files of the user's that the wrapped method merges by."""
        return self.wrapped.files

    def merging_parameters(self, frozen_entries: int = 0) -> dict[str, Any]:
        """The parameters that the merged task vector depends on, with those of the wrapped method under ``around``.

        Args:
            frozen_entries: See :func:`remerge.merging.ties.trim_thresholds`.
        """
        wrapped = self.wrapped
        around = {"algorithm": wrapped.algorithm, **wrapped.merging_parameters(frozen_entries)}
        return super().merging_parameters(frozen_entries) | {"around": around}


def wrapped_rule(task_vectors: Sequence[Weights], around: Mapping[str, Any]) -> MergeRule:
    """Return the rule of the method that a plug-in wraps.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        around: The method's ``algorithm``, and the parameters of its ``merge_rule``.

    Raises:
        ParameterError: A parameter is out of range.
    """
    parameters = dict(around)
    rule: MergeRule = load(parameters.pop("algorithm")).merge_rule(task_vectors, **parameters)
    return rule


def wrapped_merge(task_vectors: Sequence[Weights], around: Mapping[str, Any], scaling: float) -> dict[str, Tensor]:
    """Return what the wrapped method merges, times a merging coefficient.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        around: See :func:`wrapped_rule`.
        scaling: The merging coefficient.

    Raises:
        ParameterError: A parameter is out of range.
    """
    from remerge.merging.streaming import merged_by

    merged = merged_by(wrapped_rule(task_vectors, around), task_vectors)
    return {key: tensor * scaling for key, tensor in merged.items()}
