"""Methods that decompose whole matrices: the parameters that they share, and how these make a merge rule.

The data class of such a method is a :class:`MatrixMethod`, its rule a :class:`remerge.merging.matrices.MatrixRule`, and
its file's ``merge_rule`` what :func:`merge_rule_of` makes of both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from remerge.errors import ParameterError
from remerge.merging.matrices import MatrixRule, Others, Qkv, Which
from remerge.methods.parameters import Method, out_of_bounds, parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from remerge.checkpoints.weights import Weights


@dataclass(frozen=True, kw_only=True)
class MatrixMethod(Method):
    """What methods share that decompose whole matrices."""

    matrices: Which = parameter(
        "all",
        description="Which tensors are merged as matrices: `all` with two dimensions, or the weights of `linear` "
        "layers in attention and MLP blocks.",
    )
    others: Others = parameter(
        "mean",
        description="What becomes of every other tensor: it stays pre-trained (`zero`), or its task vectors' `mean` or "
        "`sum` is added. The scaling applies to them too.",
    )
    qkv: Qkv = parameter(
        "stored",
        description="Attention's projections to query, key and value: `fused` in one matrix, as open_clip stores them, "
        "`split` in three, as transformers does, or as `stored` in the checkpoints.",
    )


def merge_rule_of(rule: type[MatrixRule], parameters: type[MatrixMethod]) -> Callable[..., MatrixRule]:
    """Return the ``merge_rule(task_vectors, **parameters)`` of a method's file.

    Args:
        rule: Called with the number of ``tasks`` and all parameters that the merged task vector depends on, by name.
        parameters: The method's, with their defaults and bounds.

    Returns:
        The function. It raises :class:`remerge.errors.ParameterError` for a parameter that is out of bounds or none of
        its values.
    """
    beside = {each.name for each in fields(Method)} | parameters.beside_merging
    known = {each.name: each for each in fields(parameters) if each.name not in beside}

    def merge_rule(task_vectors: Sequence[Weights], **given: Any) -> MatrixRule:
        for name in given.keys() & known.keys():
            if bound := out_of_bounds(known[name], given[name]):
                raise ParameterError(f"{name} must be {bound}, got {given[name]!r}")
        defaults: dict[str, Any] = {name: each.default for name, each in known.items()}
        return rule(tasks=len(task_vectors), **(defaults | given))

    return merge_rule
