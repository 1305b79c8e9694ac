"""Elementwise methods against dense references, and the properties that their definitions imply."""

import random
from functools import partial
from pathlib import Path
from typing import Any

import dense
import dense_elementwise as reference
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from test_checkpoint_merging import write_parts
from torch import Tensor

from remerge.checkpoints.sets import CheckpointSet
from remerge.errors import ParameterError, RemergeError
from remerge.merging import selection, streaming
from remerge.merging.checkpoints import merge_checkpoints
from remerge.merging.rules import Place
from remerge.merging.selection import kth_largest
from remerge.merging.streaming import merged_by
from remerge.methods import load
from remerge.methods.dare import dropped

Vectors = list[dict[str, Tensor]]

SHAPES = {"bias": (7,), "conv": (3, 2, 2, 5), "frozen": (4, 2), "none": (0, 3), "scale": (), "weight": (6, 9)}
SUM: dict[str, Any] = {"algorithm": "task_arithmetic"}
TIES: dict[str, Any] = {"algorithm": "ties", "keep": 0.4, "merge": "sum"}
# Every method, with what it is called with; those of two tasks and of random draws have tests apart.
METHODS: dict[str, dict[str, Any]] = {
    "breadcrumbs": {"keep": 0.3, "drop": 0.15},
    "consensus": {"around": TIES, "threshold": 0.5},
    "karcher": {},
    "magmax": {},
    "model_stock": {},
    "multislerp": {},
    "pcb": {"keep": 0.2},
}


def made(seed: int, tasks: int, dtype: torch.dtype = torch.float64) -> Vectors:
    """Task vectors of several shapes, with distinct magnitudes and a tensor that no task moved."""
    generator = torch.Generator().manual_seed(seed)
    return [
        {key: torch.randn(shape, generator=generator).to(dtype) * (key != "frozen") for key, shape in SHAPES.items()}
        for _ in range(tasks)
    ]


def merged(algorithm: str, vectors: Vectors, **parameters: Any) -> dict[str, Tensor]:
    return merged_by(load(algorithm).merge_rule(vectors, **parameters), vectors)


def flat(weights: dict[str, Tensor]) -> np.ndarray:
    return dense.flatten({key: tensor.numpy() for key, tensor in weights.items()})


def stacked(vectors: Vectors) -> np.ndarray:
    return np.stack([flat(vector) for vector in vectors])


seeds, counts = st.integers(0, 10_000), st.integers(1, 5)


@settings(max_examples=20, deadline=None)
@given(seeds, counts)
def test_magmax_takes_the_largest_entry(seed: int, tasks: int) -> None:
    # Magnitudes that tie, with both signs.
    vectors = [{key: tensor.mul(2).round() for key, tensor in vector.items()} for vector in made(seed, tasks)]
    np.testing.assert_array_equal(flat(merged("magmax", vectors)), reference.magmax(stacked(vectors)))


@settings(max_examples=20, deadline=None)
@given(seeds, counts, st.integers(0, 6), st.sampled_from([0.0, 0.2, 0.6, 1.5]), st.booleans())
def test_consensus_keeps_what_several_tasks_need(
    seed: int, tasks: int, needed_by: int, mask: float, around_ties: bool
) -> None:
    vectors = made(seed, tasks)
    rows = stacked(vectors)
    wrapped = dense.ties_vector(rows, 0.4, "sum") if around_ties else rows.sum(axis=0)
    found = merged("consensus", vectors, around=TIES if around_ties else SUM, needed_by=needed_by, threshold=mask)
    expected = reference.consensus(rows, wrapped, needed_by, mask)
    np.testing.assert_allclose(flat(found), expected, rtol=0, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seeds, counts)
def test_consensus_of_none_is_the_wrapped_method_and_of_too_many_nothing(seed: int, tasks: int) -> None:
    vectors = made(seed, tasks)
    of_none = merged("consensus", vectors, around=TIES, needed_by=0)
    assert all(torch.equal(of_none[key], tensor) for key, tensor in merged(**TIES, vectors=vectors).items())
    assert not flat(merged("consensus", vectors, around=TIES, needed_by=tasks + 1)).any()


@settings(max_examples=20, deadline=None)
@given(seeds, counts, st.sampled_from([0.2, 0.5, 1.0]), st.sampled_from([0.0, 0.15, 0.4]), st.booleans())
def test_breadcrumbs_drops_both_ends_of_every_row(
    seed: int, tasks: int, keep: float, drop: float, by_row: bool
) -> None:
    vectors = made(seed, tasks)
    found = merged("breadcrumbs", vectors, keep=keep, drop=drop, scope="row" if by_row else "tensor")
    for key in SHAPES.keys() - {"none", "frozen"}:
        expected = reference.breadcrumbs([vector[key].numpy() for vector in vectors], keep, drop, by_row)
        np.testing.assert_allclose(found[key], expected, rtol=0, atol=1e-12, err_msg=key)
    assert not found["frozen"].any()


@settings(max_examples=20, deadline=None)
@given(seeds, counts, st.sampled_from(["row", "tensor"]))
def test_breadcrumbs_of_everything_is_task_arithmetic(seed: int, tasks: int, scope: str) -> None:
    vectors = made(seed, tasks)
    found = merged("breadcrumbs", vectors, keep=1.0, drop=0.0, scope=scope)
    assert all(torch.equal(found[key], tensor) for key, tensor in merged(**SUM, vectors=vectors).items())


SCRIPTS = ["pcb", "pcb-merging", "pcb_ES"]


@settings(max_examples=20, deadline=None)
@given(
    seeds,
    st.integers(1, 5),
    st.sampled_from([0.05, 0.3, 0.9, 1.0]),
    st.sampled_from(SCRIPTS),
    st.sampled_from([0, 3, 60, 2000]),
)
def test_pcb_is_the_authors_scripts(seed: int, tasks: int, keep: float, script: str, zeros: int) -> None:
    vectors = made(seed, tasks)
    found = merged("pcb", vectors, keep=keep, script=script, frozen_entries=zeros)
    expected = reference.pcb(stacked(vectors), keep, script, zeros)
    np.testing.assert_allclose(flat(found), expected, rtol=1e-9, atol=1e-12)


def test_pcb_of_the_trained_part_is_that_of_the_part_alone() -> None:
    vectors = made(3, 4)
    part = [{key: vector[key] for key in vector if key != "frozen"} for vector in vectors]
    of_part = merged("pcb", part, keep=0.2)
    whole = merged("pcb", vectors, keep=0.2, scope="trained", frozen_entries=1000)
    assert all(torch.equal(whole[key], tensor) for key, tensor in of_part.items())
    assert not torch.equal(merged("pcb", vectors, keep=0.2)["weight"], of_part["weight"])
    of_tensors = merged("pcb", vectors, keep=0.2, scope="tensor")
    assert torch.equal(
        merged("pcb", [{"weight": v["weight"]} for v in vectors], keep=0.2)["weight"], of_tensors["weight"]
    )


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(2, 5))
def test_pcb_of_equal_task_vectors_is_theirs_clamped(seed: int, tasks: int) -> None:
    (vector,) = made(seed, 1)
    found, row = flat(merged("pcb", [vector] * tasks, keep=0.3)), flat(vector)
    ascending = np.sort(np.abs(row))
    clamped = np.sign(row) * np.clip(np.abs(row), ascending[int(row.size * 0.01)], ascending[int(row.size * 0.99 - 1)])
    assert 0 < np.count_nonzero(found) <= 0.3 * row.size + 1
    np.testing.assert_allclose(found[found != 0], clamped[found != 0], rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from(["cosine", "angle"]), counts)
def test_model_stock_is_the_papers_formula(seed: int, average: str, tasks: int) -> None:
    vectors = made(seed, tasks + 1)
    # Of a common direction, as of models of one task: ratios between 0 and 1, and now and then below.
    for vector in vectors[1:]:
        vector["weight"] += 0.7 * vectors[0]["weight"]
    found = merged("model_stock", vectors, average=average)
    for key in ("weight", "conv", "bias"):
        expected = reference.model_stock(np.stack([vector[key].numpy().ravel() for vector in vectors]), average)
        np.testing.assert_allclose(found[key].numpy().ravel(), expected, rtol=0, atol=1e-9, err_msg=key)


def test_model_stock_of_equal_experts_is_the_expert_and_of_orthogonal_ones_nothing() -> None:
    (vector,) = made(0, 1)
    for average in ("cosine", "angle"):
        np.testing.assert_allclose(flat(merged("model_stock", [vector] * 3, average=average)), flat(vector), atol=1e-7)
        across = [{"w": row} for row in torch.eye(3, dtype=torch.float64)]
        np.testing.assert_allclose(merged("model_stock", across, average=average)["w"], np.zeros(3), atol=1e-12)
    np.testing.assert_allclose(flat(merged("model_stock", [vector])), flat(vector), rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seeds, st.floats(0, 1))
def test_slerp_is_the_formula(seed: int, t: float) -> None:
    vectors = made(seed, 2)
    found = merged("slerp", vectors, t=t)
    for key in ("weight", "conv", "bias"):
        first, second = (vector[key].numpy().ravel() for vector in vectors)
        expected = reference.slerp(first, second, t)
        np.testing.assert_allclose(found[key].numpy().ravel(), expected, rtol=0, atol=1e-9)
    assert not found["frozen"].any()


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_slerp_ends_at_both_vectors_and_of_one_is_that(seed: int) -> None:
    vectors = made(seed, 2)
    for t, end in ((0.0, vectors[0]), (1.0, vectors[1])):
        np.testing.assert_allclose(flat(merged("slerp", vectors, t=t)), flat(end), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(flat(merged("slerp", vectors[:1])), flat(vectors[0]))


def test_slerp_of_nearly_parallel_vectors_is_linear() -> None:
    vectors = [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([3.0, 0.01])}]
    torch.testing.assert_close(merged("slerp", vectors, t=0.25)["w"], torch.tensor([1.5, 0.0025]))


def test_slerp_of_three_is_refused() -> None:
    with pytest.raises(ParameterError, match="slerp: merges two models, got 3"):
        merged("slerp", made(0, 3))


@pytest.mark.parametrize("algorithm", ["multislerp", "karcher"])
@settings(max_examples=20, deadline=None)
@given(seed=seeds, tasks=counts)
def test_means_of_directions_are_those_of_whole_vectors(algorithm: str, seed: int, tasks: int) -> None:
    vectors = made(seed, tasks)
    more = {"iterations": 200, "tolerance": 1e-12} if algorithm == "karcher" else {}
    found = merged(algorithm, vectors, **more)
    for key in ("weight", "conv"):
        expected = getattr(reference, algorithm)(np.stack([vector[key].numpy().ravel() for vector in vectors]))
        np.testing.assert_allclose(found[key].numpy().ravel(), expected, rtol=0, atol=1e-6, err_msg=key)
    assert not found["frozen"].any()


@pytest.mark.parametrize("algorithm", ["multislerp", "karcher"])
@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_means_of_two_directions_are_slerps_midpoint(algorithm: str, seed: int) -> None:
    first, second = (vector["weight"] / vector["weight"].norm() for vector in made(seed, 2))
    pair = [{"weight": first}, {"weight": second}]
    halfway = merged("slerp", pair)["weight"]
    torch.testing.assert_close(merged(algorithm, pair)["weight"], halfway / halfway.norm(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("algorithm", ["multislerp", "karcher"])
def test_a_task_that_did_not_move_a_tensor_has_no_direction_there(algorithm: str) -> None:
    vectors = [{"w": torch.tensor([3.0, 4.0])}, {"w": torch.zeros(2)}]
    length = {"multislerp": 2.5, "karcher": 5.0}[algorithm]
    torch.testing.assert_close(merged(algorithm, vectors)["w"], length * torch.tensor([0.6, 0.8]))
    opposite = [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([-1.0, 0.0])}]
    assert merged(algorithm, opposite)["w"].tolist() == [0, 0]


@settings(max_examples=20, deadline=None)
@given(seeds, counts, st.sampled_from([SUM, TIES]))
def test_dare_without_dropping_is_the_wrapped_method(seed: int, tasks: int, around: dict[str, Any]) -> None:
    vectors = made(seed, tasks)
    found, wrapped = merged("dare", vectors, around=around, drop=0.0), merged(**around, vectors=vectors)
    assert all(torch.equal(found[key], tensor) for key, tensor in wrapped.items())


@settings(max_examples=20, deadline=None)
@given(seeds, counts, st.sampled_from([0.2, 0.5, 0.9]), st.integers(0, 5))
def test_dare_merges_rescaled_survivors(seed: int, tasks: int, drop: float, draw: int) -> None:
    vectors = made(seed, tasks)
    found = [
        {
            key: dropped(tensor.flatten(), Place(key, 0, tensor.numel()), task, drop, draw).reshape(tensor.shape)
            for key, tensor in vector.items()
        }
        for task, vector in enumerate(vectors)
    ]
    rows, survivors = stacked(vectors), stacked(found)
    assert np.all((survivors == 0) | np.isclose(survivors, rows / (1 - drop), rtol=1e-12))
    around_sum = merged("dare", vectors, around=SUM, drop=drop, seed=draw)
    np.testing.assert_allclose(flat(around_sum), survivors.sum(axis=0), atol=1e-12)
    around_ties = merged("dare", vectors, around=TIES, drop=drop, seed=draw)
    np.testing.assert_allclose(flat(around_ties), dense.ties_vector(survivors, 0.4, "sum"), atol=1e-12)


def test_dare_drops_the_share_that_it_says_and_has_the_mean_of_task_arithmetic() -> None:
    vectors = [{"w": torch.ones(200_000)}, {"w": torch.ones(200_000)}]
    draws = [merged("dare", vectors, around=SUM, drop=0.7, seed=seed)["w"] for seed in range(4)]
    for draw in draws:
        # Four standard deviations of the mean of that many independent draws.
        assert abs(float(draw.mean()) - 2) < 4 * (2 * 0.7 / 0.3 / 200_000) ** 0.5
        # Two independent tasks: neither kept, one, or both.
        shares = [float((draw > value).double().mean()) for value in (0.0, 5.0)]
        assert shares == pytest.approx([1 - 0.7**2, 0.3**2], abs=0.005)
    assert not torch.equal(draws[0], draws[1])


def test_draws_are_of_every_entry_and_not_of_tiles() -> None:
    entries = torch.arange(1.0, 101.0)
    whole = dropped(entries, Place("w", 0, 100), 1, 0.5, 7)
    parts = [dropped(entries[a:b], Place("w", a, b), 1, 0.5, 7) for a, b in ((0, 3), (3, 24), (24, 25), (25, 100))]
    assert torch.equal(whole, torch.cat(parts))
    assert not torch.equal(whole, dropped(entries, Place("v", 0, 100), 1, 0.5, 7))
    assert not torch.equal(whole, dropped(entries, Place("w", 0, 100), 0, 0.5, 7))
    # These very draws: another version of a library that changed them would change results.
    assert [int(value > 0) for value in whole[:16]] == [1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 1]


@pytest.mark.parametrize("algorithm", METHODS)
@settings(max_examples=20, deadline=None)
@given(seed=seeds, tasks=st.integers(2, 4), shuffle=st.integers(0, 100))
def test_the_order_of_tasks_does_not_matter(algorithm: str, seed: int, tasks: int, shuffle: int) -> None:
    vectors = made(seed, tasks)
    order = random.Random(shuffle).sample(vectors, tasks)
    one, other = (merged(algorithm, given, **METHODS[algorithm]) for given in (vectors, order))
    np.testing.assert_allclose(flat(one), flat(other), rtol=0, atol=1e-9)


@pytest.mark.parametrize("algorithm", [*METHODS, "dare", "slerp"])
def test_tiles_of_any_size_give_the_same(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {"around": TIES} if algorithm == "dare" else METHODS.get(algorithm, {})
    vectors = made(5, 2, torch.float32)
    results = []
    for size in (10**6, 64, 14):
        for module in (streaming, selection):
            monkeypatch.setattr(module, "TILE", size)
        results.append(flat(merged(algorithm, vectors, **parameters)))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("algorithm", [*METHODS, "dare"])
@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_what_is_no_number_is_named_even_where_it_would_be_dropped(algorithm: str, broken: float) -> None:
    parameters = {"around": SUM, "drop": 0.9} if algorithm == "dare" else METHODS[algorithm]
    vectors = made(0, 3)
    vectors[1]["weight"][2, 3:5] = broken
    with pytest.raises(RemergeError, match="task vector 2: 'weight' holds 2 entries that are NaN or infinite"):
        merged(algorithm, vectors, **parameters)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("algorithm", [*METHODS, "dare"])
def test_checkpoints_on_disk_merge_to_the_same_in_one_file_or_in_parts(
    tmp_path: Path, algorithm: str, dtype: torch.dtype
) -> None:
    parameters = {"around": TIES} if algorithm == "dare" else METHODS[algorithm]
    start = {key: tensor.to(dtype) for key, tensor in made(9, 1)[0].items()} | {"steps": torch.tensor([4])}
    tuned = [
        start | {key: (start[key].double() + tensor / 8).to(dtype) for key, tensor in vector.items()}
        for vector in made(10, 3)
    ]
    vectors = [{key: weights[key].float() - start[key].float() for key in SHAPES} for weights in tuned]
    rule = partial(load(algorithm).merge_rule, **parameters)
    for name, weights in {"start": start, **{f"task-{k}": each for k, each in enumerate(tuned)}}.items():
        save_file(weights, tmp_path / f"{name}.safetensors")
        write_parts(tmp_path / name, weights, 2)
    names = ["start", "task-0", "task-1", "task-2"]
    merge_checkpoints(
        rule, tmp_path / "start", [tmp_path / name for name in names[1:]], tmp_path / "parts", scaling=0.5
    )
    files = [tmp_path / f"{name}.safetensors" for name in names]
    merge_checkpoints(rule, files[0], files[1:], tmp_path / "one", scaling=0.5)
    expected = merged(algorithm, vectors, **parameters)
    for folder in ("parts", "one"):
        written = CheckpointSet(tmp_path / folder)
        assert torch.equal(written["steps"], start["steps"])
        for key, tensor in expected.items():
            assert written[key].dtype == dtype
            assert torch.equal(written[key], torch.add(start[key].float(), tensor, alpha=0.5).to(dtype)), key


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(0, 40), st.sampled_from([-3.0, 0.0, 3.0]))
def test_the_kth_largest_is_the_sorted_ones(seed: int, zeros: int, shift: float) -> None:
    values = torch.randn(60, generator=torch.Generator().manual_seed(seed)).mul(3).round() + shift
    vector = {"a": values[:25], "b": values[25:].double()}
    ordered = torch.cat([values, torch.zeros(zeros)]).sort(descending=True).values
    for k in range(1, len(ordered) + 1, 7):
        assert float(kth_largest(vector, ["a", "b"], k, zeros)) == float(ordered[k - 1])


@pytest.mark.parametrize(
    ("algorithm", "parameters", "told"),
    [
        ("breadcrumbs", {"scope": "vector"}, "scope must be 'row' or 'tensor', got 'vector'"),
        ("breadcrumbs", {"keep": 0}, "keep must be in"),
        ("breadcrumbs", {"drop": 1.0}, "drop in"),
        ("pcb", {"keep": 1.5}, "keep must be a share"),
        ("pcb", {"script": "es"}, "script must be one of pcb, pcb-merging, pcb_ES, got 'es'"),
        ("pcb", {"scope": "layer"}, "scope must be"),
    ],
)
def test_parameters_out_of_range_are_named(algorithm: str, parameters: dict[str, Any], told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        merged(algorithm, made(0, 2), **parameters)
