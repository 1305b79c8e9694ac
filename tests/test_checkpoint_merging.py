"""Checkpoints on disk, whole and in parts, merge to what the library gives, and nothing is left when it fails."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import remerge
from remerge.checkpoints.sets import CheckpointSet
from remerge.commands import main
from remerge.errors import MismatchError, RemergeError
from remerge.merging.checkpoints import merge_checkpoints
from remerge.methods import load
from remerge.methods.ties import merge_rule

Model = dict[str, Tensor]

SCALED = """
from remerge.merging.rules import MergeRule

class Scaled(MergeRule):
    def __init__(self, times):
        self.times = times

    def __call__(self, place, entries):
        return self.times * sum(entries)

def merge_rule(task_vectors, times):
    return Scaled(times)
"""


def model(seed: int, dtype: torch.dtype = torch.float32) -> Model:
    generator = torch.Generator().manual_seed(seed)
    weights = {f"layer.{k}": torch.randn(30, 20 + k, generator=generator).to(dtype) for k in range(5)}
    return weights | {"scale": torch.tensor(float(seed)).to(dtype), "steps": torch.tensor([seed, 7])}


def write_parts(folder: Path, weights: Model, parts: int) -> Path:
    folder.mkdir(parents=True)
    names = [f"model-{k}-of-{parts}.safetensors" for k in range(parts)]
    where = {key: names[index % parts] for index, key in enumerate(sorted(weights))}
    for name in names:
        save_file({key: weights[key] for key in weights if where[key] == name}, folder / name, {"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return folder


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("algorithm", "parameters"),
    [("ties", {"keep": 0.3, "merge": "mean"}), ("task_arithmetic", {}), ("ties", {"keep": 1.0, "merge": "sum"})],
)
def test_parts_merge_to_what_the_library_gives(
    tmp_path: Path, dtype: torch.dtype, algorithm: str, parameters: dict[str, object]
) -> None:
    start, tuned = model(0, dtype), [model(k, dtype) for k in (1, 2, 3)]
    pretrained = write_parts(tmp_path / "pretrained", start, 3)
    finetuned = [write_parts(tmp_path / f"task-{k}", weights, k + 1) for k, weights in enumerate(tuned)]
    rule = partial(load(algorithm).merge_rule, **parameters)
    merge_checkpoints(rule, pretrained, finetuned, tmp_path / "out", scaling=0.4)
    merged = dict(CheckpointSet(tmp_path / "out"))
    expected = getattr(remerge, algorithm)(start, tuned, scaling=0.4, **parameters)
    assert merged.keys() == expected.keys()
    for key, tensor in expected.items():
        assert merged[key].dtype == tensor.dtype
        assert torch.equal(merged[key], tensor), key
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in pretrained.iterdir()}
    for path in pretrained.glob("*.safetensors"):
        assert load_file(tmp_path / "out" / path.name).keys() == load_file(path).keys()


def test_single_files_and_folders_of_one_are_read(tmp_path: Path) -> None:
    weights = model(0)
    save_file(weights, tmp_path / "one.safetensors")
    (tmp_path / "folder").mkdir()
    save_file(weights, tmp_path / "folder" / "model.safetensors")
    for path in (tmp_path / "one.safetensors", tmp_path / "folder"):
        assert dict(CheckpointSet(path)).keys() == weights.keys()


def test_faults_are_named_and_nothing_is_left(tmp_path: Path) -> None:
    start = write_parts(tmp_path / "start", model(0), 2)
    good = write_parts(tmp_path / "good", model(1), 2)

    def refused(finetuned: list[Path], told: str, error: type[Exception] = RemergeError, **parameters: Any) -> None:
        with pytest.raises(error, match=told):
            merge_checkpoints(partial(merge_rule, **parameters), start, finetuned, tmp_path / "out", scaling=1.0)
        assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True

    less = model(2)
    del less["layer.3"]
    refused([good, write_parts(tmp_path / "less", less, 2)], r"fine-tuned 2: 'layer\.3' is missing", MismatchError)
    broken = model(2)
    broken["layer.4"][3, :2] = torch.nan
    refused([write_parts(tmp_path / "nan", broken, 1)], r"task vector 1: 'layer\.4' holds 2 entries that are NaN")
    refused([good], "keep must be a share", keep=0.0)
    refused([tmp_path / "nowhere"], "nowhere: expected a safetensors file")
    cut = write_parts(tmp_path / "cut", model(3), 1)
    part = cut / "model-0-of-1.safetensors"
    part.write_bytes(part.read_bytes()[:-40])
    refused([cut], r"model-0-of-1\.safetensors: not a whole safetensors file")
    outside = write_parts(tmp_path / "outside", model(3), 1)
    index = outside / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("model-0-of-1", "../good/model-0-of-2"))
    refused([outside], "lies outside its folder")
    with pytest.raises(RemergeError, match="inputs are never overwritten"):
        merge_checkpoints(merge_rule, start, [good], good, scaling=1.0)


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "remerge", "merge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_merges_and_tells_faults_in_a_line(tmp_path: Path) -> None:
    start = write_parts(tmp_path / "start", model(0), 2)
    tuned = [write_parts(tmp_path / f"task-{k}", model(k), 1) for k in (1, 2)]
    arguments = ("--pretrained", start, "--finetuned", *tuned, "--out", tmp_path / "out")
    done = run("--method", "weight_averaging", *arguments)
    assert done.returncode == 0, done.stderr
    expected = remerge.weight_averaging([model(1), model(2)])
    merged = CheckpointSet(tmp_path / "out")
    torch.testing.assert_close(merged["layer.2"], expected["layer.2"], atol=1e-6, rtol=0)
    refused = run("--method", "weight_averaging", "--scaling", 0.5, *arguments)
    assert (refused.returncode, refused.stderr) == (1, "error: --scaling: weight_averaging has none; remove it\n")
    refused = run("--method", "ties", "--pretrained", start, "--finetuned", "nowhere", "--out", tmp_path / "o")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: nowhere: expected")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("ties --keep 1.5", "--keep: must be at most 1, got 1.5"),
        ("ties --keep 0", "--keep: must be greater than 0, got 0"),
        ("ties --keep nan", "--keep: must be a number, got 'nan'"),
        ("ties --keep most", "--keep: must be a number, got 'most'"),
        ("ties --merge avg", "--merge: must be sum or mean or max, got 'avg'"),
        ("task_arithmetic --scaling inf", "--scaling: must be a number, got 'inf'"),
        (
            'task_arithmetic --scaling {"tune":"validation","grid":[0.3]}',
            """--scaling: must be a number, got '{"tune":"validation","grid":[0.3]}'""",
        ),
        ("task_arithmetic --keep 0.2", "--keep: task_arithmetic has none; remove it"),
        ("own", "--file: missing; own needs it"),
        ("own --file f.py --arguments [2]", """--arguments: must be a mapping, such as {"times": 2}, got '[2]'"""),
    ],
)
def test_parameters_at_fault_are_named_by_their_option(
    monkeypatch: pytest.MonkeyPatch, options: str, told: str
) -> None:
    given = f"remerge merge --pretrained a --finetuned b --out c --method {options}"
    monkeypatch.setattr(sys, "argv", given.split())
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == f"error: {told}"


def test_the_command_passes_arguments_on(tmp_path: Path) -> None:
    (tmp_path / "scaled.py").write_text(SCALED)
    start, tuned = {"w": torch.zeros(3)}, {"w": torch.tensor([1.0, -2.0, 0.5])}
    for name, weights in (("start", start), ("tuned", tuned)):
        save_file(weights, tmp_path / f"{name}.safetensors")
    done = run(
        *("--method", "own", "--file", tmp_path / "scaled.py", "--arguments", '{"times": 2}', "--scaling", 1),
        *("--pretrained", tmp_path / "start.safetensors", "--finetuned", tmp_path / "tuned.safetensors"),
        *("--out", tmp_path / "out"),
    )
    assert done.returncode == 0, done.stderr
    assert CheckpointSet(tmp_path / "out")["w"].tolist() == [2.0, -4.0, 1.0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for half a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_under_a_final_name(tmp_path: Path, small_disk: Path) -> None:
    weights = {f"layer.{k}": torch.randn(600, 100) for k in range(4)}
    start = write_parts(tmp_path / "start", weights, 4)
    told = run(
        *("--method", "task_arithmetic", "--pretrained", start, "--finetuned", start, start),
        *("--out", small_disk / "out"),
    )
    assert told.returncode == 1
    assert told.stderr.startswith("error: ")
    assert "No space left on device" in told.stderr
    assert list((small_disk / "out").iterdir()) == []
