"""DPPA against the authors' scripts, written out layer by layer, and by the properties that its definition implies."""

import dense_elementwise as reference
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_elementwise import Vectors, flat, made, merged, seeds
from torch import Tensor

from remerge.errors import ParameterError, RemergeError
from remerge.merging import streaming
from remerge.methods.parameters import method_of

LAYERS = [["blocks.0.attn.in", "blocks.0.mlp.out"], ["blocks.1.attn.in"], ["blocks.2.mlp.in", "blocks.2.mlp.out"]]


def deep(seed: int, tasks: int) -> Vectors:
    """Task vectors with blocks whose entries have outliers, more of them in some layers than in others."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"bias": (7,), "blocks.0.attn.in": (12, 4), "blocks.0.mlp.out": (4, 9), "blocks.1.attn.in": (8, 8)}
    shapes |= {"blocks.1.ln.weight": (5,), "blocks.2.mlp.in": (9, 6), "blocks.2.mlp.out": (6, 9), "embedding": (4, 4)}
    return [
        {
            key: torch.randn(shape, generator=generator, dtype=torch.float64) ** (1 + 2 * (number % 3))
            for number, (key, shape) in enumerate(shapes.items())
        }
        for _ in range(tasks)
    ]


def arrays(vector: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {key: tensor.numpy() for key, tensor in vector.items()}


@settings(max_examples=20, deadline=None)
@given(
    seeds,
    st.integers(1, 4),
    st.sampled_from([(0.2, 0.1), (0.5, 0.5), (0.9, 0.02), (1.0, 1.0)]),
    st.sampled_from([0.0, 0.08, 0.5]),
    st.sampled_from([(1.0, 1.8), (0.0, 1.8), (1.3, 1.1), (2.0, 0.0)]),
)
def test_dppa_prunes_and_amplifies_as_the_authors_scripts(
    seed: int, tasks: int, shares: tuple[float, float], spread: float, ratios: tuple[float, float]
) -> None:
    vectors = deep(seed, tasks)
    given = dict(zip(("keep", "core", "ratio", "core_ratio"), (*shares, *ratios), strict=True))
    found = merged("dppa", vectors, spread=spread, **given)
    expected = [reference.dppa(arrays(vector), LAYERS, *shares, spread, *ratios) for vector in vectors]
    for key, tensor in found.items():
        np.testing.assert_allclose(tensor, sum(each[key] for each in expected), rtol=1e-12, atol=1e-12, err_msg=key)


@settings(max_examples=10, deadline=None)
@given(seeds, st.integers(2, 4))
def test_dppa_does_not_depend_on_order_tiles_or_units(seed: int, tasks: int) -> None:
    vectors = deep(seed, tasks)
    expected = flat(merged("dppa", vectors))
    np.testing.assert_allclose(flat(merged("dppa", vectors[::-1])), expected, rtol=0, atol=1e-12)
    doubled = [{key: 2 * tensor for key, tensor in vector.items()} for vector in vectors]
    np.testing.assert_allclose(flat(merged("dppa", doubled)), 2 * expected, rtol=0, atol=1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "TILE", 16)
        np.testing.assert_allclose(flat(merged("dppa", vectors)), expected, rtol=0, atol=1e-12)


def test_dppa_names_its_faults() -> None:
    with pytest.raises(ParameterError, match="no tensor is a weight matrix of an attention or MLP block"):
        merged("dppa", made(0, 2))
    with pytest.raises(ParameterError, match=r"`core` must be at most `keep`, got 0\.3 and 0\.2"):
        method_of({"algorithm": "dppa", "core": 0.3})
    vectors = deep(0, 2)
    vectors[1]["blocks.1.attn.in"][0, 0] = torch.nan
    with pytest.raises(RemergeError, match=r"task vector 2: 'blocks\.1\.attn\.in' holds 1 entries"):
        merged("dppa", vectors)
