"""A merge given as a file is the merge of the same options; its record is written last, and repeats it."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from remerge import __version__
from remerge.checkpoints.sets import CheckpointSet
from remerge.commands import main
from remerge.errors import RemergeError
from remerge.merging.checkpoints import merge_checkpoints
from remerge.methods import task_arithmetic
from remerge.run import provenance
from remerge.run.provenance import MERGE_RECORD

Model = dict[str, Tensor]
INDEX = "model.safetensors.index.json"
PLAN = {
    "method": "ties",
    "parameters": {"keep": 0.5, "merge": "mean", "scaling": 0.7},
    "pretrained": "models/base",
    "finetuned": ["models/a.safetensors", "models/b.safetensors"],
    "out": "merged",
}


def weights(seed: int, dtype: torch.dtype = torch.float32) -> Model:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"model.embed_tokens.weight": (9, 4), "model.layer.weight": (6, 4), "lm_head.weight": (9, 4)}
    return {key: torch.randn(shape, generator=generator).to(dtype) for key, shape in shapes.items()}


def write_parts(folder: Path, model: Model) -> None:
    """Write a checkpoint as two files and their index."""
    folder.mkdir(parents=True)
    where = {key: f"model-{index % 2 + 1}-of-2.safetensors" for index, key in enumerate(sorted(model))}
    for name in set(where.values()):
        save_file({key: model[key] for key in model if where[key] == name}, folder / name)
    size = sum(tensor.nbytes for tensor in model.values())
    index = {"metadata": {"total_size": size}, "weight_map": where}
    (folder / INDEX).write_text(json.dumps(index))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models to merge, and a plan to merge them; the current folder is another one."""
    write_parts(tmp_path / "models" / "base", weights(0))
    for seed, name in enumerate("ab", start=1):
        save_file(weights(seed), tmp_path / "models" / f"{name}.safetensors")
    write_plan(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


def write_plan(folder: Path, **changes: Any) -> Path:
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in (PLAN | changes).items() if value != "absent"}))
    return path


def command(*arguments: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["remerge", "merge", *map(str, arguments)])
        main()


def refused(*arguments: object) -> str:
    with pytest.raises(SystemExit) as stopped:
        command(*arguments)
    return str(stopped.value.code)


def options(folder: Path, out: Path) -> tuple[object, ...]:
    models = folder / "models"
    return (
        *("--method", "ties", "--keep", 0.5, "--merge", "mean", "--scaling", 0.7, "--pretrained", models / "base"),
        *("--finetuned", models / "a.safetensors", models / "b.safetensors", "--out", out),
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MERGE_RECORD}


def test_a_plan_is_the_merge_of_the_same_options(folder: Path) -> None:
    command(folder / "plan.yaml")
    command(*options(folder, folder / "by-options"))
    assert contents(folder / "merged") == contents(folder / "by-options")
    command("../plan.yaml", "--out", "here")
    assert contents(folder / "elsewhere" / "here") == contents(folder / "merged")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_result_has_the_dtype_of_the_pretrained_or_that_asked_for(folder: Path, dtype: str) -> None:
    asked = getattr(torch, dtype)
    for name, seed in (("base", 0), ("a", 1), ("b", 2)):
        save_file(weights(seed, asked) | {"steps": torch.tensor([7])}, folder / f"{name}-{dtype}.safetensors")
    stored = {"pretrained": f"base-{dtype}.safetensors", "finetuned": [f"{name}-{dtype}.safetensors" for name in "ab"]}
    command(write_plan(folder, out="kept", **stored))
    kept = load_file(folder / "kept" / f"base-{dtype}.safetensors")
    assert {tensor.dtype for tensor in kept.values()} == {asked, torch.int64}
    command(write_plan(folder, out="wide", dtype="float32", **stored))
    wide = load_file(folder / "wide" / f"base-{dtype}.safetensors")
    assert {tensor.dtype for tensor in wide.values()} == {torch.float32, torch.int64}
    for key, tensor in wide.items():
        # It is rounded once, when it is written.
        assert torch.equal(kept[key], tensor.to(kept[key].dtype)), key


def test_an_index_says_how_large_the_result_is(folder: Path) -> None:
    command(folder / "plan.yaml", "--out", folder / "same")
    command(write_plan(folder, dtype="bfloat16"))
    base, same, half = (json.loads((folder / name / INDEX).read_text()) for name in ("models/base", "same", "merged"))
    assert same == base
    assert half["metadata"]["total_size"] * 2 == base["metadata"]["total_size"]
    assert half["weight_map"] == base["weight_map"]


def test_weights_that_float16_cannot_hold_are_refused(folder: Path) -> None:
    save_file({"w": torch.tensor([1.0, 60000.0])}, folder / "start.safetensors")
    save_file({"w": torch.tensor([1.0, 70000.0])}, folder / "tuned.safetensors")
    plan = write_plan(
        folder,
        method="weight_averaging",
        parameters="absent",
        dtype="float16",
        pretrained="start.safetensors",
        finetuned=["tuned.safetensors"],
    )
    assert "'w': merged weights are too large for float16" in refused(plan)
    assert not list((folder / "merged").iterdir())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"pretained": "x"},
            "plan.yaml: pretained: unknown key; remove it, or choose from method, parameters, pretrained",
        ),
        ({"out": "absent"}, "plan.yaml: out: missing; add it"),
        ({"method": "tie"}, "plan.yaml: method: must be one of weight_averaging, task_arithmetic, ties, "),
        ({"method": "regmean"}, "plan.yaml: method: must be one of "),
        (
            {"finetuned": "models/a.safetensors"},
            "plan.yaml: finetuned: must be a list of paths, such as [math/",
        ),
        ({"finetuned": []}, "plan.yaml: finetuned: must be a list of paths"),
        ({"dtype": "int8"}, "plan.yaml: dtype: must be one of float32, bfloat16, float16, got 'int8'"),
        ({"parameters": [1]}, "plan.yaml: parameters: must be a mapping, such as {keep: 0.2}, got [1]"),
        ({"parameters": {"kep": 0.2}}, "plan.yaml: parameters.kep: ties has none; remove it"),
        ({"parameters": {"keep": 1.5}}, "plan.yaml: parameters.keep: must be at most 1, got 1.5"),
        ({"parameters": {"keep": True}}, "plan.yaml: parameters.keep: must be a number, got 'true'"),
        ({"method": "lines", "parameters": {}}, "plan.yaml: parameters.around: missing; lines needs it"),
        (
            {"method": "lines", "parameters": {"around": {"algorithm": "ties", "keep": 2}}},
            "plan.yaml: parameters.around: keep: must be at most 1, got 2",
        ),
        ({"pretrained": "nowhere"}, "nowhere: expected a safetensors file, or a folder"),
    ],
)
def test_faults_of_a_plan_name_file_key_and_remedy(folder: Path, changes: dict[str, Any], told: str) -> None:
    assert told in refused(write_plan(folder, **changes))
    assert not (folder / "merged").exists()


def test_a_plan_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "twice.yaml").write_text("method: ties\nmethod: dare\n")
    assert "'method' stands twice, in line 1 and line 2; rename or remove one" in refused(folder / "twice.yaml")
    (folder / "list.json").write_text("[]")
    assert "list.json: expected keys and values at the top, got list" in refused(folder / "list.json")
    assert "nowhere.yaml: cannot be read" in refused(folder / "nowhere.yaml")


def test_a_plan_stands_alone(folder: Path) -> None:
    plan = folder / "plan.yaml"
    for option, value in (("--method", "ties"), ("--keep", "0.2"), ("--dtype", "float16"), ("--finetuned", "x")):
        told = f"error: {option}: not beside a plan; write it into {plan}, or remove it"
        assert refused(plan, option, value) == told
    assert refused("--method", "ties") == (
        "error: --pretrained: missing; give a plan, or --method, --pretrained, --finetuned, --out"
    )


def test_a_plan_names_files_of_parameters_relative_to_itself(folder: Path) -> None:
    (folder / "sums.py").write_text(
        "from remerge.merging.rules import MergeRule\n"
        "class Sums(MergeRule):\n"
        "    def __call__(self, place, entries):\n"
        "        return sum(entries)\n"
        "def merge_rule(task_vectors):\n"
        "    return Sums()\n"
    )
    command(write_plan(folder, method="own", parameters={"file": "sums.py", "scaling": "3e-1"}))
    by_rule = contents(folder / "merged")
    command(write_plan(folder, method="task_arithmetic", parameters={"scaling": 0.3}, out="again"))
    assert by_rule == contents(folder / "again")
    record = json.loads((folder / "merged" / MERGE_RECORD).read_text())
    assert record["inputs"]["../sums.py"] == sha256((folder / "sums.py").read_bytes()).hexdigest()
    (folder / "sums.py").write_text("changed")
    assert "sums.py: has changed since the recorded merge" in refused(folder / "merged" / MERGE_RECORD)


def test_a_record_says_what_was_merged_how_and_what_came_of_it(folder: Path) -> None:
    command(folder / "plan.yaml")
    record = json.loads((folder / "merged" / MERGE_RECORD).read_text())
    assert record["parameters"] == {
        "method": "ties",
        "parameters": {"keep": 0.5, "merge": "mean", "scaling": 0.7, "scope": "vector"},
        "pretrained": "../models/base",
        "finetuned": ["../models/a.safetensors", "../models/b.safetensors"],
        "dtype": None,
        "out": ".",
    }
    read = [*(folder / "models" / "base").iterdir(), *(folder / "models").glob("*.safetensors")]
    assert len(read) == 5
    for path in read:
        name = f"../{path.relative_to(folder).as_posix()}"
        assert record["inputs"][name] == sha256(path.read_bytes()).hexdigest()
        assert record["input_bytes"][name] == path.stat().st_size
    assert record["outputs"].keys() == contents(folder / "merged").keys()
    for name, told in record["outputs"].items():
        assert told["sha256"] == sha256((folder / "merged" / name).read_bytes()).hexdigest()
    assert record["remerge"] == __version__
    assert {"python", "packages", "device", "finished", "commit"} <= record.keys()


def test_a_record_repeats_its_merge_wherever_it_and_its_inputs_were_moved(folder: Path) -> None:
    command(*options(folder, folder / "merged"))
    first = contents(folder / "merged")
    moved = folder / "moved"
    moved.mkdir()
    for name in ("models", "merged"):
        shutil.move(folder / name, moved / name)
    command(moved / "merged" / MERGE_RECORD, "--out", moved / "again")
    assert contents(moved / "again") == first
    command(moved / "merged" / MERGE_RECORD)
    assert contents(moved / "merged") == first


def test_a_record_is_not_repeated_with_other_inputs(folder: Path) -> None:
    command(folder / "plan.yaml")
    before = contents(folder / "merged")
    save_file(weights(8), folder / "models" / "a.safetensors")
    told = refused(folder / "merged" / MERGE_RECORD)
    assert "models/a.safetensors: has changed since the recorded merge; put it back, or write a plan" in told
    (folder / "models" / "a.safetensors").unlink()
    assert "a.safetensors: no such file, but the recorded merge read it" in refused(folder / "merged" / MERGE_RECORD)
    assert contents(folder / "merged") == before
    (folder / "merged" / MERGE_RECORD).write_text('{"rule": "remerge merge"}')
    assert "not the whole record of a merge; write a plan instead" in refused(folder / "merged" / MERGE_RECORD)


def test_provenance_traces_a_merged_file_through_an_earlier_merge(folder: Path) -> None:
    command(folder / "plan.yaml")
    command(write_plan(folder, finetuned=["merged"], out="second"))
    told = provenance.chain(folder / "second" / "model-1-of-2.safetensors")
    assert f"{folder}/merged/model-1-of-2.safetensors" in told
    assert f"{folder}/models/a.safetensors" in told
    assert '"keep": 0.5' in told
    assert "CHANGED" not in told
    save_file(weights(8), folder / "models" / "a.safetensors")
    assert "CHANGED since it was used" in provenance.chain(folder / "second" / "model-1-of-2.safetensors")


def merge_failing_at(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Merge into ``merged``, and fail when a file is to get its final name."""
    rename = Path.replace

    def failing(path: Path, target: Path) -> Path:
        if Path(target).name == name:
            raise OSError(f"no room for {name}")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing)
        assert f"no room for {name}" in refused(write_plan(folder, parameters={"keep": 0.1}))


@pytest.mark.parametrize("name", ["model-1-of-2.safetensors", "model-2-of-2.safetensors", INDEX])
def test_a_merge_that_stops_halfway_over_an_earlier_one_leaves_no_result(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    command(folder / "plan.yaml")
    merge_failing_at(folder, monkeypatch, name)
    assert not (folder / "merged" / MERGE_RECORD).exists()
    with pytest.raises(RemergeError, match="expected a safetensors file, or a folder with one or with an index"):
        CheckpointSet(folder / "merged")
    command(write_plan(folder))
    assert (folder / "merged" / MERGE_RECORD).exists()


def test_a_result_without_its_record_is_whole_but_not_recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(folder / "plan.yaml")
    merge_failing_at(folder, monkeypatch, MERGE_RECORD)
    assert not (folder / "merged" / MERGE_RECORD).exists()
    assert CheckpointSet(folder / "merged").keys() == weights(0).keys()


def test_a_merge_that_is_refused_leaves_an_earlier_one_as_it_was(folder: Path) -> None:
    command(folder / "plan.yaml")
    before = {path.name: path.read_bytes() for path in (folder / "merged").iterdir()}
    broken = weights(1)
    broken["model.layer.weight"][0, 0] = torch.nan
    save_file(broken, folder / "models" / "a.safetensors")
    assert "holds 1 entries that are NaN" in refused(folder / "plan.yaml")
    assert {path.name: path.read_bytes() for path in (folder / "merged").iterdir()} == before


def test_files_that_a_killed_merge_left_are_no_checkpoint(folder: Path) -> None:
    left = folder / "killed"
    left.mkdir()
    save_file(weights(0), left / ".partial-abc.safetensors")
    (left / ".partial-def.safetensors.index.json").write_text("{}")
    with pytest.raises(RemergeError, match="found 0 files"):
        CheckpointSet(left)


def test_a_folder_of_another_checkpoint_is_not_merged_into(folder: Path) -> None:
    write_parts(folder / "merged", weights(3))
    save_file(weights(0), folder / "models" / "one.safetensors")
    told = refused(write_plan(folder, pretrained="models/one.safetensors"))
    assert (
        "merged: holds model-1-of-2.safetensors, model-2-of-2.safetensors, model.safetensors.index.json of another"
        in told
    )
    assert "choose an empty folder, or remove them" in told


def without(key: str) -> Callable[[Model], Model]:
    return lambda model: {name: tensor for name, tensor in model.items() if name != key}


def tied(model: Model) -> Model:
    return model | {"lm_head.weight": model["model.embed_tokens.weight"].clone()}


def longer(model: Model) -> Model:
    return {name: torch.cat([tensor, tensor[:2]]) if len(tensor) == 9 else tensor for name, tensor in model.items()}


@pytest.mark.parametrize(
    ("start", "tuned", "told"),
    [
        (
            weights(0),
            longer(weights(1)),
            r"tuned.safetensors: the vocabularies differ: 'lm_head.weight' has 11 tokens \(shape \[11, 4\]\), in the "
            r"pre-trained 9 \(shape \[9, 4\]\); bring all models to one size .* `resize_token_embeddings\(11\)`",
        ),
        (
            tied(weights(0)),
            without("lm_head.weight")(weights(1)),
            "'lm_head.weight' is tied to 'model.embed_tokens.weight', and only the pre-trained stores both; delete "
            "'lm_head.weight' from its files, or load and save all models with one version",
        ),
        (
            without("lm_head.weight")(weights(0)),
            tied(weights(1)),
            "'lm_head.weight' is tied to 'model.embed_tokens.weight', and only the fine-tuned stores both",
        ),
        (
            weights(0),
            {name.removeprefix("model."): tensor for name, tensor in weights(1).items()},
            "the names differ by the prefix 'model.'; save all models with the same class",
        ),
        (weights(0), weights(1, torch.bfloat16), "the dtypes differ, and rounding would pass for fine-tuning"),
        (
            weights(0),
            without("model.layer.weight")(weights(1)),
            "tuned.safetensors: it is of another architecture, or was saved by another class; give fine-tuned copies",
        ),
    ],
)
def test_checkpoints_that_differ_are_refused_with_the_cause(
    tmp_path: Path, start: Model, tuned: Model, told: str
) -> None:
    files = [tmp_path / f"{name}.safetensors" for name in ("start", "tuned")]
    for path, model in zip(files, (start, tuned), strict=True):
        save_file(model, path)
    with pytest.raises(RemergeError, match=re.compile(told, re.DOTALL)) as caught:
        merge_checkpoints(task_arithmetic.merge_rule, files[0], files[1:], tmp_path / "out", scaling=1.0)
    assert "checkpoints differ and cannot be merged" in str(caught.value)
    assert not (tmp_path / "out").exists()
