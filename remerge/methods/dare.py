"""DARE: most entries of every task vector dropped at random, the others rescaled (arXiv:2311.03099, section 3.2).

Around Task Arithmetic or TIES-Merging, which trims what is left. Every entry's draw depends on the seed, its task, its
tensor and its index alone, so that it is the same in tiles of any size and on any number of threads: it is the index's
word of the Philox counter generator whose key is a hash of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from remerge.merging.rules import Around, MergeRule, Place
from remerge.methods.parameters import Scaling, parameter
from remerge.methods.plug_ins import PlugIn, wrapped_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from remerge.checkpoints.weights import Weights


WORDS = 8
"""Words of 32 bits that the generator makes of one value of its counter."""


@dataclass(frozen=True, kw_only=True)
class Dare(PlugIn):
    """Another method, of task vectors without a random share of their entries (arXiv:2311.03099)."""

    algorithm: Literal["dare"]
    drop: float = parameter(
        0.5,
        ge=0,
        lt=1,
        description="Share of entries that are dropped. FusionBench, for these encoders: 0.5; published, for language "
        "models: 0.7 to 0.9 and more.",
    )
    seed: int = parameter(0, ge=0, description="Seed of which entries are dropped.")
    scaling: Scaling = parameter(0.3, description="The merging coefficient lambda.")

    @property
    def svd_layout(self) -> str:
        """Empty: the wrapped method decomposes what is left of the task vectors."""
        return ""


class Dropping(Around):
    """The wrapped rule, given entries of which some are dropped and the others rescaled."""

    def __init__(self, rule: MergeRule, drop: float, seed: int) -> None:
        super().__init__(rule)
        self.drop = drop
        self.seed = seed

    def before(self, place: Place, entries: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return every task's entries, some of them zero and the others rescaled."""
        return [dropped(values, place, task, self.drop, self.seed) for task, values in enumerate(entries)]


def dropped(entries: Tensor, place: Place, task: int, drop: float, seed: int) -> Tensor:
    """Return one task's entries of a place, ``[n]``, with a share of them zero and the others rescaled.

    Args:
        entries: As they are in the task vector.
        place: Where they are.
        task: The task's index among the task vectors.
        drop: Share of entries that are dropped, in [0, 1); the others are divided by ``1 - drop``.
        seed: Seed of the draws.
    """
    import torch

    words = _words(f"{seed} {task} {place.key}", place.begin, place.end)
    kept = torch.from_numpy(words >= round(drop * 2**32))
    # A product, unlike a choice, keeps what is not a number.
    return entries * kept.to(entries.dtype).div_(1 - drop)


def _words(name: str, begin: int, end: int) -> Any:
    """The words from ``begin`` to ``end`` of the generator whose key is a name's hash, uint32 ``[end - begin]``."""
    import numpy as np

    generator = np.random.Philox(key=int.from_bytes(sha256(name.encode()).digest()[:16], "little"))
    first = begin // WORDS
    generator.advance(first)
    values = generator.random_raw(4 * (-(-end // WORDS) - first))
    return values.view(np.uint32)[begin - first * WORDS : end - first * WORDS]


def merge_rule(
    task_vectors: Sequence[Weights], around: Mapping[str, Any], drop: float = 0.5, seed: int = 0
) -> MergeRule:
    """Return the method as a merge rule.

    Args:
        task_vectors: One per task, with the same keys and shapes.
        around: The method that it wraps; see :func:`remerge.methods.plug_ins.wrapped_rule`.
        drop: Share of entries that are dropped, in [0, 1).
        seed: Seed of which entries are dropped.
    """
    from remerge.merging.streaming import Computed, entries_of

    def computed(task: int, vector: Weights) -> Weights:
        def entries(key: str) -> Callable[[int, int], Tensor]:
            given = entries_of(vector, key)
            return lambda begin, end: dropped(given(begin, end), Place(key, begin, end), task, drop, seed)

        return Computed(vector, entries)

    changed = [computed(task, vector) for task, vector in enumerate(task_vectors)]
    return Dropping(wrapped_rule(changed, around), drop, seed)
