"""Methods that decompose matrices, against a dense reference and by the properties that their formulas imply."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dense_singular as dense
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from remerge.commands import main
from remerge.errors import ParameterError, RemergeError
from remerge.merging import streaming
from remerge.merging.matrices import MatrixRule
from remerge.merging.rules import Matrix, Place
from remerge.merging.singular import polar, thin_svd
from remerge.merging.streaming import merged_by
from remerge.methods import load
from remerge.methods.dare import dropped

Vector = dict[str, Tensor]
KEY = "blocks.0.attn.in_proj_weight"
SHAPES = ((24, 16), (16, 16), (12, 20))

REFERENCES: dict[str, tuple[Callable[..., np.ndarray], dict[str, Any], dict[str, Any]]] = {
    "tsv_m": (dense.tsv_m, {}, {}),
    "iso_c": (dense.iso_c, {}, {}),
    "iso_cts": (dense.iso_cts, {"common": 0.6}, {"common": 0.6}),
    "wudi": (dense.wudi, {"steps": 3, "rate": 1e-2}, {"steps": 3, "learning_rate": 1e-2}),
    "cart": (dense.cart, {"rank": 0.2, "coefficient": 2.3}, {"rank": 0.2, "coefficient": 2.3}),
    "dc_merge": (dense.dc_merge, {"keep": 0.1}, {"keep": 0.1}),
}


def random_tasks(seed: int, tasks: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(tasks, *shape))


def merged(algorithm: str, vectors: list[Vector], **parameters: Any) -> Vector:
    return merged_by(load(algorithm).merge_rule(vectors, **parameters), vectors)


def merged_matrix(algorithm: str, tasks: np.ndarray, dtype: torch.dtype = torch.float64, **parameters: Any) -> Tensor:
    return merged(algorithm, [{KEY: torch.tensor(task, dtype=dtype)} for task in tasks], **parameters)[KEY]


def assert_close(found: Tensor, expected: np.ndarray, tolerance: float = 1e-4) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


few = settings(max_examples=12, deadline=None)
any_tasks = st.builds(random_tasks, st.integers(0, 999), st.integers(1, 5), st.sampled_from(SHAPES))


@pytest.mark.parametrize("algorithm", REFERENCES)
@few
@given(any_tasks)
def test_a_method_is_the_papers_formula(algorithm: str, tasks: np.ndarray) -> None:
    reference, its_parameters, parameters = REFERENCES[algorithm]
    assert_close(merged_matrix(algorithm, tasks, **parameters), reference(tasks, **its_parameters))


@pytest.mark.parametrize("algorithm", REFERENCES)
def test_float32_gives_the_same_to_four_digits(algorithm: str) -> None:
    reference, its_parameters, parameters = REFERENCES[algorithm]
    # Singular values that fall by five orders of magnitude, as those of fine-tuned weights may.
    left, values, right = np.linalg.svd(random_tasks(0, 3, (96, 64)), full_matrices=False)
    tasks = left @ (np.logspace(0, -5, values.shape[1])[:, None] * right)
    found = merged_matrix(algorithm, tasks, torch.float32, **parameters)
    assert found.dtype == torch.float32
    assert_close(found, reference(tasks, **its_parameters), 1e-4)


@pytest.mark.parametrize(
    ("algorithm", "parameters"),
    [("tsv_m", {}), ("wudi", {"steps": 5}), ("cart", {}), ("dc_merge", {"keep": 1.0}), ("dc_merge", {"keep": 0.99})],
)
@few
@given(any_tasks)
def test_one_task_gives_its_expert(algorithm: str, parameters: dict[str, Any], tasks: np.ndarray) -> None:
    # In the basis of its own singular vectors, a task's matrix is diagonal: trimming finds nothing but zeros.
    assert_close(merged_matrix(algorithm, tasks[:1], **parameters), tasks[0])


@pytest.mark.parametrize("algorithm", REFERENCES)
@few
@given(any_tasks)
def test_the_order_of_tasks_does_not_matter(algorithm: str, tasks: np.ndarray) -> None:
    parameters = REFERENCES[algorithm][2]
    one, other = (merged_matrix(algorithm, order, **parameters) for order in (tasks, tasks[::-1].copy()))
    assert_close(one, other.numpy())


@few
@given(any_tasks)
def test_iso_c_makes_all_singular_values_their_mean(tasks: np.ndarray) -> None:
    mean = np.linalg.svd(tasks.sum(axis=0), compute_uv=False).mean()
    np.testing.assert_allclose(np.linalg.svd(merged_matrix("iso_c", tasks), compute_uv=False), mean)


@pytest.mark.parametrize("algorithm", ["tsv_m", "iso_c", "iso_cts", "cart", "dc_merge"])
@few
@given(any_tasks, st.floats(0.01, 100))
def test_scaled_task_vectors_merge_to_the_merge_scaled(algorithm: str, tasks: np.ndarray, factor: float) -> None:
    assert_close(merged_matrix(algorithm, factor * tasks), factor * merged_matrix(algorithm, tasks).numpy())


@few
@given(any_tasks)
def test_iso_cts_without_task_specific_directions_is_iso_c(tasks: np.ndarray) -> None:
    assert_close(merged_matrix("iso_cts", tasks, common=1.0), dense.iso_c(tasks))


@few
@given(any_tasks, st.floats(-3, 3))
def test_cart_of_full_rank_is_the_mean(tasks: np.ndarray, coefficient: float) -> None:
    assert_close(merged_matrix("cart", tasks, rank=1.0, coefficient=coefficient), tasks.mean(axis=0))


@few
@given(any_tasks)
def test_wudi_reduces_interference(tasks: np.ndarray) -> None:
    before = dense.interference(tasks.sum(axis=0), tasks)
    after = dense.interference(merged_matrix("wudi", tasks, steps=20, learning_rate=1e-3).numpy(), tasks)
    assert after <= before + 1e-12
    assert len(tasks) == 1 or after < before


def test_wudi_keeps_the_sum_of_task_vectors_with_orthogonal_rows() -> None:
    tasks = np.zeros((2, 12, 20))
    tasks[0, :, :8], tasks[1, :, 8:] = random_tasks(0, 1, (12, 8))[0], random_tasks(1, 1, (12, 12))[0]
    assert_close(merged_matrix("wudi", tasks, steps=50, learning_rate=1e-3), tasks.sum(axis=0), 1e-3)


@pytest.mark.parametrize("algorithm", ["tsv_m", "dc_merge"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_identical_experts_give_their_largest_singular_values(algorithm: str, dtype: torch.dtype) -> None:
    tasks = random_tasks(0, 1, (24, 16)).repeat(2, axis=0)
    found = merged_matrix(algorithm, tasks, dtype, **({"keep": 1.0} if algorithm == "dc_merge" else {}))
    # DC-Merge counts each of two equal entries of a task's own block, of which one lies in the other's.
    share = 0.5 if algorithm == "dc_merge" else 1.0
    assert_close(found, share * dense.low_rank(tasks[0], 8), 1e-5)


@pytest.mark.parametrize("algorithm", REFERENCES)
def test_task_vectors_of_low_rank_merge_alike_in_any_precision(algorithm: str) -> None:
    factors = random_tasks(0, 3, (24, 2)) @ random_tasks(1, 3, (2, 16))
    parameters = REFERENCES[algorithm][2]
    one, other = (merged_matrix(algorithm, factors, dtype, **parameters) for dtype in (torch.float32, torch.float64))
    assert_close(one, other.numpy(), 1e-4)
    if algorithm != "wudi":  # Adam's steps have about the same size in every entry.
        assert np.linalg.matrix_rank(other) <= 6


@pytest.mark.parametrize("algorithm", REFERENCES)
def test_task_vectors_that_cancel_merge_to_a_finite_matrix(algorithm: str) -> None:
    task = random_tasks(0, 1, (24, 16))[0]
    for tasks in (np.stack([task, -task]), np.stack([task, 0 * task])):
        assert merged_matrix(algorithm, tasks).isfinite().all()
    assert not merged_matrix(algorithm, np.zeros((2, 24, 16))).any()


@few
@given(any_tasks, st.integers(0, 20))
def test_decomposition_gives_back_the_matrix(tasks: np.ndarray, rank: int) -> None:
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        left, values, right = thin_svd(torch.tensor(tasks[0], dtype=dtype), rank)
        assert len(values) == min(rank, *tasks.shape[1:])
        assert_close(left * values @ right.T + 1.0, dense.low_rank(tasks[0], rank) + 1.0, tolerance)
        torch.testing.assert_close(left.T @ left, torch.eye(len(values), dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_nearest_orthonormal_columns_of_dependent_ones_are_their_span() -> None:
    column = torch.tensor([[0.6], [0.8], [0.0]], dtype=torch.float64)
    torch.testing.assert_close(polar(torch.cat([column, column], dim=1)), torch.cat([column, column], dim=1) / 2**0.5)
    assert polar(column[:, :0]).shape == (3, 0)


def model(seed: int, split: bool = False) -> Vector:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"embedding": (40, 8), "blocks.0.mlp.c_fc.weight": (32, 8), "conv": (4, 3, 2, 2), "bias": (24,)}
    vector = {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}
    projections = torch.randn(24, 8, generator=generator)
    if not split:
        return vector | {KEY: projections}
    parts = projections.split(8)
    return vector | {f"blocks.0.self_attn.{name}_proj.weight": parts[i].clone() for i, name in enumerate("qkv")}


@pytest.mark.parametrize("others", ["zero", "mean", "sum"])
@pytest.mark.parametrize("algorithm", REFERENCES)
def test_other_tensors_are_as_the_parameter_says(algorithm: str, others: str) -> None:
    vectors = [model(seed) for seed in range(3)]
    parameters = REFERENCES[algorithm][2]
    found = merged(algorithm, vectors, others=others, matrices="linear", **parameters)
    for key in ("embedding", "conv", "bias"):
        total = torch.stack([vector[key] for vector in vectors]).sum(dim=0)
        torch.testing.assert_close(found[key], total * {"zero": 0, "mean": 1 / 3, "sum": 1}[others])
    for key in (KEY, "blocks.0.mlp.c_fc.weight"):
        alone = [{key: vector[key]} for vector in vectors]
        torch.testing.assert_close(found[key], merged(algorithm, alone, **parameters)[key])


@pytest.mark.parametrize("algorithm", REFERENCES)
def test_query_key_and_value_are_one_matrix_or_three_in_either_layout(algorithm: str) -> None:
    fused, split = ([model(seed, split) for seed in range(3)] for split in (False, True))
    names = [f"blocks.0.self_attn.{name}_proj.weight" for name in "qkv"]
    results = {
        (layout, qkv): merged(algorithm, vectors, qkv=qkv, **REFERENCES[algorithm][2])
        for layout, vectors in (("fused", fused), ("split", split))
        for qkv in ("stored", "fused", "split")
    }

    def projections(layout: str, qkv: str) -> Tensor:
        found = results[layout, qkv]
        return found[KEY] if layout == "fused" else torch.cat([found[name] for name in names])

    for qkv in ("fused", "split"):
        torch.testing.assert_close(projections("fused", qkv), projections("split", qkv))
        torch.testing.assert_close(projections(qkv, "stored"), projections(qkv, qkv))
    if algorithm != "wudi":
        assert not torch.allclose(projections("fused", "fused"), projections("fused", "split"), atol=1e-3)


@pytest.mark.parametrize(
    ("algorithm", "shapes", "parameters", "told"),
    [
        ("tsv_m", {"w": (8, 8)}, {"others": "max"}, "others must be 'zero' or 'mean' or 'sum', got 'max'"),
        ("wudi", {"w": (8, 8)}, {}, "no tensor is a weight matrix of an attention or MLP block; set `matrices` to all"),
        ("iso_c", {"bias": (8,)}, {}, "no tensor is a matrix"),
        (
            "tsv_m",
            {"w": (8, 2)},
            {},
            r"'w' of shape \[8, 2\] is too small for 3 tasks, and no matrix is larger; merge fewer",
        ),
        ("cart", {"w": (8, 8)}, {"rank": 0}, "rank must be greater than 0, got 0"),
        ("dc_merge", {"w": (8, 8)}, {"keep": 2}, "keep must be at most 1, got 2"),
        ("iso_cts", {"w": (8, 8)}, {"common": -0.1}, "common must be at least 0, got -0.1"),
    ],
)
def test_faults_are_named_before_anything_is_merged(
    algorithm: str, shapes: dict[str, tuple[int, ...]], parameters: dict[str, Any], told: str
) -> None:
    vectors = [{key: torch.randn(shape) for key, shape in shapes.items()} for _ in range(3)]
    with pytest.raises(ParameterError, match=told):
        merged(algorithm, vectors, **parameters)


@pytest.mark.parametrize("algorithm", REFERENCES)
def test_broken_checkpoints_are_named(algorithm: str) -> None:
    vectors = [model(seed) for seed in range(2)]
    vectors[1]["blocks.0.mlp.c_fc.weight"][0, :3] = torch.nan
    with pytest.raises(RemergeError, match=r"task vector 2: 'blocks\.0\.mlp\.c_fc\.weight' holds 3 entries"):
        merged(algorithm, vectors)


def test_a_frozen_matrix_is_not_decomposed(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = [model(seed) | {"token_embedding": torch.zeros(10**6, 8)} for seed in range(2)]
    seen: list[tuple[int, ...]] = []

    def noted(task: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen.append(task.shape)
        return thin_svd(task)

    monkeypatch.setattr("remerge.merging.singular.thin_svd", noted)
    assert not merged("iso_c", vectors)["token_embedding"].any()
    assert sorted(seen) == [(24, 8), (32, 8), (40, 8)]


def test_large_matrices_are_merged_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = [model(seed) for seed in range(2)]
    expected = merged("tsv_m", vectors)
    monkeypatch.setattr(streaming, "MATRICES_AT_A_TIME", 1)
    for key, tensor in merged("tsv_m", vectors).items():
        torch.testing.assert_close(tensor, expected[key])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("algorithm", REFERENCES)
def test_the_command_merges_checkpoints_on_disk(
    algorithm: str, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [{key: tensor.to(dtype) for key, tensor in model(seed).items()} for seed in range(3)]
    paths = [tmp_path / f"{name}.safetensors" for name in ("start", "one", "two")]
    for path, weights in zip(paths, models, strict=True):
        save_file(weights | {"steps": torch.tensor([7])}, path)
    start, *tuned = paths
    given = ["--method", algorithm, "--qkv", "split", "--pretrained", start, "--finetuned", *tuned]
    monkeypatch.setattr(sys, "argv", ["remerge", "merge", *map(str, given), "--out", str(tmp_path / "out")])
    main()
    (written,) = (tmp_path / "out").glob("*.safetensors")
    found = load_file(written)
    vectors = [{key: each[key].float() - models[0][key].float() for key in each} for each in models[1:]]
    scaling = {"iso_c": 1.3, "iso_cts": 1.5}.get(algorithm, 1.0)
    assert found.pop("steps").tolist() == [7]
    for key, tensor in merged(algorithm, vectors, qkv="split").items():
        assert found[key].dtype == dtype
        expected = (models[0][key].float() + scaling * tensor).to(dtype)
        torch.testing.assert_close(found[key], expected, rtol=2**-7 if dtype == torch.bfloat16 else 1e-5, atol=1e-4)


TIES: dict[str, Any] = {"algorithm": "ties", "keep": 0.5, "merge": "mean"}
SUM: dict[str, Any] = {"algorithm": "task_arithmetic"}


@few
@given(any_tasks, st.sampled_from([0.1, 1.0]), st.sampled_from([0.3, 1.0]), st.sampled_from(["sum", "ties", "tsv_m"]))
def test_svc_is_the_papers_formula(tasks: np.ndarray, alpha: float, coefficient: float, around: str) -> None:
    wrapped = {"sum": SUM, "ties": TIES, "tsv_m": {"algorithm": "tsv_m"}}[around]
    merge = coefficient * merged_matrix(tasks=tasks, **wrapped).numpy()
    found = merged_matrix("svc", tasks, around=wrapped, alpha=alpha, coefficient=coefficient)
    assert_close(found, dense.svc(merge, tasks, alpha))


@few
@given(any_tasks, st.floats(0.1, 2))
def test_svc_leaves_one_task_as_it_is_and_grows_no_singular_value_beyond_its_bound(
    tasks: np.ndarray, alpha: float
) -> None:
    found = merged_matrix("svc", tasks[:1], around=SUM, alpha=min(alpha, 1.0))
    assert_close(found, tasks[0])
    before, after = (
        np.linalg.svd(matrix, compute_uv=False)
        for matrix in (tasks.sum(axis=0), merged_matrix("svc", tasks, around=SUM, alpha=alpha))
    )
    assert (after <= before.max() / alpha + 1e-9).all()


def test_svc_ignores_responses_of_tasks_that_have_none() -> None:
    tasks = np.zeros((2, 12, 8))
    tasks[0, :5], tasks[1, 5:] = random_tasks(0, 1, (5, 8))[0], random_tasks(1, 1, (7, 8))[0]
    for dtype in (torch.float32, torch.float64):
        assert merged_matrix("svc", tasks, dtype, around=SUM, alpha=0.5).isfinite().all()
    low = random_tasks(0, 2, (12, 2)) @ random_tasks(1, 2, (2, 8))
    one, other = (merged_matrix("svc", low, dtype, around=SUM) for dtype in (torch.float32, torch.float64))
    assert_close(one, other.numpy())


def test_svc_calibrates_matrices_alone_and_ties_with_all_votes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Small tiles: signs that balance are decided by tiles that come later.
    monkeypatch.setattr(streaming, "TILE", 32)
    vectors = [{key: tensor.mul(2).round() for key, tensor in model(seed).items()} for seed in range(2)]
    found, wrapped = merged("svc", vectors, around=TIES, alpha=0.5), merged("ties", vectors, keep=0.5, merge="mean")
    for key in ("conv", "bias"):
        torch.testing.assert_close(found[key], wrapped[key])
    for key in ("embedding", KEY):
        tasks = np.stack([vector[key].double().numpy() for vector in vectors])
        assert_close(found[key], dense.svc(wrapped[key].double().numpy(), tasks, 0.5))


def test_plug_ins_wrap_methods_that_merge_matrices() -> None:
    vectors = [model(seed) for seed in range(2)]
    wrapped = merged("tsv_m", vectors)
    for key, tensor in merged("lines", vectors, around={"algorithm": "tsv_m"}, alpha=2.0, beta=0.0).items():
        torch.testing.assert_close(tensor, 2 * wrapped[key])
    norms = [
        sum(float(each.abs().sum()) for each in vector.values())
        for vector in (merged("task_arithmetic", vectors), wrapped)
    ]
    derived = merged("lines", vectors, around={"algorithm": "tsv_m"}, beta=0.0)
    torch.testing.assert_close(derived["bias"], norms[0] / norms[1] / 2 * wrapped["bias"])


def test_a_plug_in_changes_the_task_vectors_whose_matrices_are_merged() -> None:
    vectors = [model(seed) for seed in range(2)]
    changed = [
        {
            key: dropped(tensor.reshape(-1), Place(key, 0, tensor.numel()), task, 0.3, 5).view(tensor.shape)
            for key, tensor in vector.items()
        }
        for task, vector in enumerate(vectors)
    ]
    found = merged("dare", vectors, around={"algorithm": "tsv_m", "qkv": "split"}, drop=0.3, seed=5)
    for key, tensor in merged("tsv_m", changed, qkv="split").items():
        torch.testing.assert_close(found[key], tensor)


def test_svc_refuses_a_bound_of_zero() -> None:
    with pytest.raises(ParameterError, match="alpha must be greater than 0"):
        merged("svc", [model(0)], around=SUM, alpha=0.0)


# Wherever there is a GPU, it gives the same to four digits.
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("algorithm", "parameters"), [*((name, each[2]) for name, each in REFERENCES.items()), ("svc", {"around": TIES})]
)
def test_matrices_are_merged_to_the_same_on_any_device(algorithm: str, parameters: dict[str, Any], device: str) -> None:
    vectors = [model(seed) for seed in range(3)]
    found = merged_by(load(algorithm).merge_rule(vectors, **parameters), vectors, device)
    for key, tensor in merged(algorithm, vectors, **parameters).items():
        assert found[key].device.type == "cpu"
        assert_close(found[key], tensor.numpy())


def test_a_rule_gets_matrices_on_the_device_and_tiles_on_the_cpu() -> None:
    seen: dict[str, set[str]] = {"matrix": set(), "tile": set()}

    class Noting(MatrixRule):
        def __call__(self, place: Place, entries: Sequence[Tensor]) -> Tensor:
            seen["tile"] |= {task.device.type for task in entries}
            return super().__call__(place, entries)

        def merge_matrix(self, matrix: Matrix, tasks: Sequence[Tensor]) -> Tensor:
            seen["matrix"] |= {task.device.type for task in tasks}
            return torch.ones(matrix.shape)

    vectors = [model(seed) for seed in range(2)]
    # The second device that every machine has; its tensors have no entries.
    found = merged_by(Noting("all", "mean", "stored", tasks=2), vectors, "meta")
    assert seen == {"matrix": {"meta"}, "tile": {"cpu"}}
    assert torch.equal(found[KEY], torch.ones(24, 8))


@pytest.mark.parametrize("algorithm", ["tsv_m", "dc_merge"])
def test_a_matrix_too_small_for_all_tasks_is_merged_as_other_tensors_are(algorithm: str) -> None:
    vectors = [model(seed) | {"positions": torch.randn(2, 8)} for seed in range(3)]
    found = merged(algorithm, vectors)
    torch.testing.assert_close(found["positions"], sum(vector["positions"] for vector in vectors) / 3)
    without = merged(algorithm, [{key: vector[key] for key in vector if key != "positions"} for vector in vectors])
    assert all(torch.equal(found[key], tensor) for key, tensor in without.items())
