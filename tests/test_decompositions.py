"""Decompositions from files give what methods compute without them, and belong to their task vector alone."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dense_singular as dense
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from remerge.checkpoints.weights import LazyWeights, Weights, load_weights, save_weights
from remerge.errors import RemergeError
from remerge.merging.decompositions import TASK_VECTOR, VECTORS, decompositions, sha256_of, with_decompositions
from remerge.merging.matrices import Qkv
from remerge.merging.streaming import merged_by
from remerge.methods import load
from remerge.methods.parameters import method_of

TASKS = ("a", "b", "c")
KEY = "blocks.0.attn.in_proj_weight"
SHAPES = {
    KEY: (24, 8),
    "blocks.0.attn.in_proj_bias": (24,),
    "blocks.0.mlp.c_fc.weight": (32, 8),
    "blocks.0.mlp.c_fc.bias": (32,),
    "blocks.0.mlp.c_proj.weight": (8, 32),
    "blocks.0.mlp.c_proj.bias": (8,),
    "embedding": (6, 8),
    "conv": (4, 3, 2, 2),
}
RULES: dict[str, dict[str, Any]] = {
    "tsv_m": {},
    "tsv_m of three projections": {"qkv": "split", "matrices": "linear"},
    "dc_merge": {"keep": 0.2},
    "lines": {"around": {"algorithm": "tsv_m"}},
    "svc": {"around": {"algorithm": "dc_merge"}},
}
PARTS: dict[str, dict[str, Any]] = {
    "tsv_compress": {"others": "mean"},
    "smile": {"rank": 5, "gate_rank": 3},
    "tall_masks": {"around": {"algorithm": "tsv_m"}, "threshold": 0.4},
    "twin": {"around": {"algorithm": "tsv_m"}, "coefficient": 0.3, "rank": 0.5},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three task vectors, one of low rank and one with a matrix that did not move, and their decompositions."""
    made = tmp_path_factory.mktemp("svd")
    for seed, task in enumerate(TASKS):
        generator = torch.Generator().manual_seed(seed)
        vector = {key: torch.randn(shape, generator=generator) for key, shape in SHAPES.items()}
        if task == "b":
            vector["blocks.0.mlp.c_fc.weight"] = vector["conv"].view(-1)[:32, None] * vector[KEY][:1]
        if task == "c":
            vector["embedding"].zero_()
        save_weights(made / f"{task}.safetensors", vector)
        decompose(made, task, made / f"{task}-svd.safetensors")
    return made


def decompose(folder: Path, task: str, path: Path, layouts: tuple[Qkv, ...] = ("split", "stored")) -> None:
    """Write a task vector's decompositions, as the workflow's script does."""
    vector = folder / f"{task}.safetensors"
    save_weights(path, decompositions(load_weights(vector), layouts), {TASK_VECTOR: sha256_of(vector)})


def opened(folder: Path) -> dict[str, LazyWeights]:
    return {task: load_weights(folder / f"{task}.safetensors") for task in TASKS}


def with_files(folder: Path) -> dict[str, Weights]:
    return with_decompositions(opened(folder), TASKS, [folder / f"{task}-svd.safetensors" for task in TASKS])


def merged(name: str, vectors: Mapping[str, Weights]) -> dict[str, Tensor]:
    rule = load(name.split()[0]).merge_rule(list(vectors.values()), **RULES[name])
    return merged_by(rule, list(vectors.values()))


def parts(name: str, vectors: Mapping[str, Weights]) -> dict[str, Tensor]:
    start = {key: torch.zeros(shape) for key, shape in SHAPES.items()}
    shared, made = load(name).parts(start, vectors, **PARTS[name])
    return shared | {f"{task} {key}": tensor for task, part in made.items() for key, tensor in part.items()}


CASES: list[tuple[str, Callable[[str, Mapping[str, Weights]], dict[str, Tensor]]]] = [
    *((name, merged) for name in RULES),
    *((name, parts) for name in PARTS),
]


@pytest.mark.parametrize(("name", "way"), CASES)
def test_every_method_merges_to_the_same_bits_with_and_without_files(
    name: str,
    way: Callable[[str, Mapping[str, Weights]], dict[str, Tensor]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = way(name, opened(folder))

    def refused(*given: object) -> None:
        raise AssertionError("decomposed although there is a file")

    monkeypatch.setattr("remerge.merging.decompositions.thin_svd", refused)
    found = way(name, with_files(folder))
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor), key


def test_merges_from_files_are_the_papers_formula(folder: Path) -> None:
    tasks = np.stack([vector[KEY].double().numpy() for vector in opened(folder).values()])
    found = merged("tsv_m", with_files(folder))[KEY]
    np.testing.assert_allclose(found, dense.tsv_m(tasks), atol=1e-4)


def test_some_of_the_tasks_find_their_files_too(folder: Path) -> None:
    pairs = [{task: vectors[task] for task in "ca"} for vectors in (opened(folder), with_files(folder))]
    one, other = (merged("tsv_m", pair) for pair in pairs)
    assert all(torch.equal(one[key], other[key]) for key in SHAPES)


def test_what_a_plug_in_changes_is_decomposed_anew(folder: Path) -> None:
    rule = load("dare").merge_rule
    around = {"algorithm": "tsv_m"}
    one, other = (
        merged_by(rule(list(vectors.values()), around=around, drop=0.5), list(vectors.values()))
        for vectors in (opened(folder), with_files(folder))
    )
    assert all(torch.equal(one[key], other[key]) for key in SHAPES)


@pytest.mark.parametrize(
    ("described", "layout"),
    [
        ("tsv_m", "stored"),
        ({"algorithm": "dc_merge", "qkv": "split"}, "split"),
        ("tsv_compress", "stored"),
        ("smile", "split"),
        ({"algorithm": "lines", "around": {"algorithm": "tsv_m", "qkv": "fused"}}, "fused"),
        ({"algorithm": "twin", "around": {"algorithm": "tsv_m"}}, "stored"),
        ({"algorithm": "dare", "around": {"algorithm": "tsv_m"}}, ""),
        ({"algorithm": "twin", "around": {"algorithm": "ties"}}, ""),
        ("iso_c", ""),
    ],
)
def test_methods_say_which_matrices_they_need(described: dict[str, Any] | str, layout: str) -> None:
    assert method_of(described).svd_layout == layout


def test_a_file_has_every_matrix_once_and_half_of_its_vectors(folder: Path) -> None:
    found = load_file(folder / "a-svd.safetensors")
    sides = sorted(tensor.shape[1] for key, tensor in found.items() if key.startswith(VECTORS))
    # Attention's projections as one matrix and as three.
    assert sides == [6, 8, 8, 8, 8, 8, 8]
    assert {tensor.dtype for tensor in found.values()} == {torch.float64}


def test_weights_in_float64_are_decomposed_by_themselves(tmp_path: Path) -> None:
    save_weights(tmp_path / "a.safetensors", {"w": torch.eye(4, dtype=torch.float64)})
    decompose(tmp_path, "a", tmp_path / "svd.safetensors")
    vector = load_weights(tmp_path / "a.safetensors")
    vectors = list(with_decompositions({"a": vector}, ["a"], [tmp_path / "svd.safetensors"]).values())
    assert load_file(tmp_path / "svd.safetensors") == {}
    torch.testing.assert_close(merged_by(load("tsv_m").merge_rule(vectors), vectors)["w"], vector["w"])


def changed(path: Path, to: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Copy a file with other tensors and the same header."""
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, to, load_weights(path).metadata)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("another task", "has the singular value decompositions of another task vector"),
        ("one layout", r"has no singular value decomposition of blocks\.0\.attn\.in_proj_weight\[0:192\]"),
        ("another shape", r"has \[8\] singular values of .* and vectors of shape \[8, 7\], which a matrix of shape"),
        ("cut off", "not a whole safetensors file"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(fault: str, told: str, folder: Path, tmp_path: Path) -> None:
    path, right = tmp_path / "svd.safetensors", folder / "a-svd.safetensors"
    if fault == "another task":
        path.write_bytes((folder / "b-svd.safetensors").read_bytes())
    elif fault == "one layout":
        decompose(folder, "a", path, ("split",))
    elif fault == "another shape":
        name = f"{VECTORS}{KEY}[0:192]"
        changed(right, path, lambda tensors: tensors.update({name: tensors[name][:, :7].contiguous()}))
    else:
        path.write_bytes(right.read_bytes()[:-8])
    files = [path, *(folder / f"{task}-svd.safetensors" for task in TASKS[1:])]
    with pytest.raises(RemergeError, match=rf"svd\.safetensors: {told}.*; delete it to have it made again"):
        merged("tsv_m", with_decompositions(opened(folder), TASKS, files))
