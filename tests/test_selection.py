"""Selection is exact and holds a bounded number of entries, however many of them are equal."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from remerge.merging import selection, streaming
from remerge.merging.selection import kth_largest_magnitude
from remerge.merging.streaming import Difference, check_finite, is_moved
from remerge.merging.ties import trim_thresholds


def expected(flat: Tensor, k: int) -> float:
    magnitudes = flat.abs().numpy()
    return float(np.partition(magnitudes, len(magnitudes) - k)[len(magnitudes) - k])


def bfloat16_difference(numel: int, seed: int) -> tuple[Difference, Tensor]:
    """A fine-tuned model a few bfloat16 steps from its start, and what its task vector is."""
    generator = torch.Generator().manual_seed(seed)
    start = (torch.randn(numel, generator=generator) * 0.02).bfloat16()
    tuned = (start.float() + 0.0002 * torch.randn(numel, generator=generator)).bfloat16()
    return Difference({"w": start}, {"w": tuned}), tuned.float() - start.float()


@pytest.mark.parametrize("candidates", [0, 10, 2**25])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_it_is_numpys_among_equal_values(candidates: int, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    values = data.draw(st.lists(st.sampled_from([0.0, -0.0, 0.25, -0.25, 1e-40, 3.0, -1e30]), min_size=1, max_size=80))
    repeats = data.draw(st.integers(1, 50))
    flat = torch.tensor(values, dtype=dtype).repeat(repeats)
    k = data.draw(st.integers(1, len(flat)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "CANDIDATES", candidates)
        patch.setattr(selection, "SAMPLE", data.draw(st.sampled_from([4, 64, 2**18])))
        assert float(kth_largest_magnitude({"w": flat}, ["w"], k)) == expected(flat, k)


@given(seed=st.integers(0, 1000), share=st.floats(0.001, 1), candidates=st.sampled_from([0, 100, 2**25]))
@settings(max_examples=30, deadline=None)
def test_it_is_numpys_for_bfloat16_differences(seed: int, share: float, candidates: int) -> None:
    vector, flat = bfloat16_difference(5000, seed)
    k = max(1, int(share * 5000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "CANDIDATES", candidates)
        patch.setattr(selection, "SAMPLE", 256)
        assert float(kth_largest_magnitude(vector, ["w"], k)) == expected(flat, k)


def counted(function: Callable[..., Any], largest: list[int]) -> Callable[..., Any]:
    """The same function, which notes the largest array it was given, or all arrays of a list together."""

    def call(given: Any, *rest: Any) -> Any:
        largest[0] = max(largest[0], sum(map(len, given)) if isinstance(given, list) else len(given))
        return function(given, *rest)

    return call


@pytest.mark.parametrize("low", [0.0, 1.0])
def test_a_value_as_large_as_the_bracket_is_found_without_holding_everything(
    monkeypatch: pytest.MonkeyPatch, low: float
) -> None:
    # Half of the entries are the answer, which is the bracket's upper end.
    flat = torch.tensor([3.0, 2.0, 2.0, 1.0]).repeat(50_000)
    largest = [0]
    monkeypatch.setattr(selection, "_bracket", lambda *ignored: (np.float32(low), np.float32(2)))
    monkeypatch.setattr(selection, "CANDIDATES", 1000)
    monkeypatch.setattr(streaming, "TILE", 1024)
    monkeypatch.setattr(selection, "TILE", 1024)
    for name in ("concatenate", "partition"):
        monkeypatch.setattr(np, name, counted(getattr(np, name), largest))
    for k, answer in ((1, 3.0), (50_000, 3.0), (50_001, 2.0), (150_000, 2.0), (150_001, 1.0), (200_000, 1.0)):
        assert float(kth_largest_magnitude({"w": flat}, ["w"], k)) == answer
    assert largest[0] <= 1000


@pytest.mark.parametrize("scope", ["vector", "trained", "tensor"])
def test_a_difference_is_never_computed_whole(monkeypatch: pytest.MonkeyPatch, scope: Any) -> None:
    vector, flat = bfloat16_difference(50_000, 0)
    monkeypatch.setattr(Difference, "__getitem__", lambda *ignored: pytest.fail("computed whole"))
    for module in (streaming, selection):
        monkeypatch.setattr(module, "TILE", 1024)
    assert float(trim_thresholds([vector], 0.2, scope)[0]["w"]) == expected(flat, 10_000)
    assert is_moved(vector, "w")
    check_finite([vector], "w")
