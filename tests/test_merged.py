"""Merged results: what is stored comes back as encoders, and scores and tables say what it takes to use them."""

import io
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from project import ROOT
from torch import Tensor, nn

from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import load_weights, save_weights
from remerge.clip.architectures import described
from remerge.clip.encoders import architecture_in, build_clip, load_encoder, to_input
from remerge.clip.heads import save_head
from remerge.errors import ParameterError, RemergeError
from remerge.images.audit import overlaps, write_audit
from remerge.images.store import ImageSet, save_images
from remerge.merging.assemblies import ASSEMBLIES, Assembly, MergedFiles
from remerge.merging.merged import Merged, load_merged, save_merged
from remerge.merging.task_vectors import apply_task_vector, task_vector
from remerge.run.archive import Job
from remerge.run.csvs import read_csv
from remerge.scoring.evaluation import predictions
from remerge.scoring.scores import read_scores

TASKS = ("a", "b")
VECTOR = "task_vector."
SUFFIXES = {"csv": "csv", "markdown": "md", "latex": "tex"}


class Masked(Merged):
    """The pre-trained weights plus a shared task vector under the task's mask, a bit an entry, times its scale."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        shared = load_weights(path)
        self.vector = {key.removeprefix(VECTOR): shared[key] for key in shared if key.startswith(VECTOR)}
        self.pretrained = {key: shared[key] for key in self.vector}
        self.encoder = build_clip(architecture_in(path)).visual.eval()

    def encoder_for(self, task: str) -> nn.Module:
        part = self.part(task)
        masked = {key: vector * unpacked(part[key], vector) for key, vector in self.vector.items()}
        self.encoder.load_state_dict(apply_task_vector(self.pretrained, masked, float(part["scale"])))
        return self.encoder


class Adapted(Merged):
    """One encoder, and a linear map of its features for each task."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.encoder = load_encoder(path)

    def encoder_for(self, task: str) -> nn.Module:
        weight = self.part(task)["weight"]
        adapter = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        adapter.load_state_dict({"weight": weight})
        return nn.Sequential(self.encoder, adapter).eval()


def packed(mask: Tensor) -> Tensor:
    return torch.from_numpy(np.packbits(mask.numpy()))


def unpacked(bits: Tensor, like: Tensor) -> Tensor:
    return torch.from_numpy(np.unpackbits(bits.numpy(), count=like.numel())).view(like.shape)


def tower(seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return dict(build_clip("mini").visual.state_dict())


def images() -> ImageSet:
    generator = np.random.default_rng(0)
    return ImageSet(
        generator.integers(0, 256, (24, 32, 32, 3)).astype(np.uint8), np.arange(24) % 3, "t", "test", "real"
    )


@pytest.fixture(autouse=True)
def assemblies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ASSEMBLIES, "masked", Assembly(__name__, "Masked", needs_task_name=True))
    monkeypatch.setitem(ASSEMBLIES, "adapted", Assembly(__name__, "Adapted", needs_task_name=True))


@pytest.fixture(scope="module")
def start() -> dict[str, Tensor]:
    return tower(0)


@pytest.fixture(scope="module")
def vector(start: dict[str, Tensor]) -> dict[str, Tensor]:
    return task_vector(start, tower(1))


@pytest.fixture(scope="module")
def masks(vector: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    return {
        "a": {key: tensor > 0 for key, tensor in vector.items()},
        "b": {key: tensor < 0.01 for key, tensor in vector.items()},
    }


@pytest.fixture
def save(
    start: dict[str, Tensor], vector: dict[str, Tensor], masks: dict[str, dict[str, Tensor]]
) -> Callable[..., Path]:
    """Writes a masked result; ``scale`` is that of both tasks."""

    def write(path: Path, scale: float = 0.5) -> Path:
        shared = start | {VECTOR + key: tensor for key, tensor in vector.items()}
        parts = {
            task: {key: packed(mask) for key, mask in masks[task].items()} | {"scale": torch.tensor(scale)}
            for task in TASKS
        }
        save_merged(path, shared, described("mini"), "masked", parts)
        return path

    return write


def test_a_plain_result_is_a_bare_file_of_weights_and_one_encoder(tmp_path: Path, start: dict[str, Tensor]) -> None:
    save_merged(tmp_path / "m.safetensors", start, described("mini") | {"merged": "a+b"})
    save_weights(tmp_path / "w.safetensors", start, described("mini") | {"merged": "a+b"})
    assert (tmp_path / "m.safetensors").read_bytes() == (tmp_path / "w.safetensors").read_bytes()
    merged = load_merged(tmp_path / "m.safetensors")
    assert merged.columns == {"merged": "a+b"}
    assert merged.shared_bytes == (tmp_path / "m.safetensors").stat().st_size
    assert (merged.parts, merged.part_bytes, merged.assembly.needs_task_name) == ({}, {}, False)
    assert merged.encoder_for("a") is merged.encoder_for("never seen")
    pixels = to_input(torch.from_numpy(images().images))
    with torch.inference_mode():
        assert torch.equal(merged.encoder_for("a")(pixels), load_encoder(tmp_path / "w.safetensors")(pixels))


def run(script: str, inputs: dict[str, Any], outputs: dict[str, Any], parameters: dict[str, Any]) -> None:
    """Run a script of the workflow as a job does."""
    told = {"rule": script, "script": f"scripts/{script}.py", "code": "", "wildcards": {}}
    snakemake = Job(told | {"input": inputs, "output": outputs, "parameters": parameters}, ROOT)
    runpy.run_path(str(ROOT / f"scripts/{script}.py"), init_globals={"snakemake": snakemake})


def test_scripts_score_every_task_by_its_encoder_and_say_in_tables_what_that_takes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: dict[str, Tensor],
    vector: dict[str, Tensor],
    masks: dict[str, dict[str, Tensor]],
    save: Callable[..., Path],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    head = torch.randn(128, 3, generator=torch.Generator().manual_seed(0))
    for task in TASKS:
        save_head(f"results/p/heads/{task}.safetensors", head, {})
        save_images(f"results/images/{task}.safetensors", images())
    places = {
        "heads": [f"results/p/heads/{task}.safetensors" for task in TASKS],
        "images": [f"results/images/{task}.safetensors" for task in TASKS],
    }
    files = {name: f"results/p/merged/s/{name}.safetensors" for name in ("masked", "plain")}
    save(tmp_path / files["masked"])
    save_merged(files["plain"], start, described("mini"))
    for name, path in files.items():
        columns = {"pool": "p", "suite": "s", "method": name}
        scores = {"": [f"results/p/scores/s/{name}.csv"]}
        run("score", {"encoder": path} | places, scores, {"tasks": TASKS, "columns": columns, "scoring": {}})

    frame = read_scores("results/p/scores/s/masked.csv")
    for task, correct in zip(frame["task"], frame["correct"], strict=True):
        encoder = build_clip("mini").visual.eval()
        encoder.load_state_dict({key: start[key] + 0.5 * vector[key] * masks[task][key] for key in start})
        predicted = predictions(encoder, head, images().images).numpy()
        assert correct == (predicted == images().labels).sum()
    assert frame["correct"][0] != frame["correct"][1]
    assert frame["task_name"].tolist() == ["needed", "needed"]
    assert "task_name" not in read_scores("results/p/scores/s/plain.csv")

    rows = {name: {"label": name, "algorithm": "ties", "uses": ["validation labels"]} for name in files}
    write_audit("results/audit.csv", overlaps({}))
    read = {"scores": [f"results/p/scores/s/{name}.csv" for name in files], "audit": "results/audit.csv"}
    made = {
        "csv": "results/p/tables/s/main.csv",
        "markdown": "results/p/tables/s/main.md",
        "latex": "results/p/tables/s/main.tex",
    }
    run("main_table", read, made, {"methods": rows, "origins": dict.fromkeys(TASKS, "real"), "remarks": {}})
    table = read_csv("results/p/tables/s/main.csv").set_index("method")
    assert table["uses"].to_dict() == {"masked": "validation labels", "plain": "validation labels"}
    assert table["task_name"].fillna("").to_dict() == {"masked": "needed", "plain": ""}
    lines = Path("results/p/tables/s/main.md").read_text().splitlines()
    assert [line.split("|")[-3].strip() for line in (lines[0], *lines[2:4])] == ["Task's name", "needed", "–"]
    assert Path("results/p/tables/s/main.tex").read_text().count("& needed &") == 1

    Path("results/job.tsv").write_text("s\tmax_rss\n2\t700\n")
    read = {"jobs": ["results/job.tsv", "results/job.tsv"], "encoders": list(files.values())}
    parameters = {"methods": rows, "made_by_jobs": list(files), "made": list(files)}
    run(
        "cost_table", read, {"csv": "results/p/tables/s/cost.csv", "markdown": "results/p/tables/s/cost.md"}, parameters
    )
    table = read_csv("results/p/tables/s/cost.csv").set_index("method")
    entries = sum(tensor.numel() for tensor in vector.values())
    header = 20_000
    assert 8 * entries < 1e6 * table["shared"]["masked"] < 8 * entries + header
    assert 4 * entries < 1e6 * table["shared"]["plain"] < 4 * entries + header
    assert entries / 8 < 1e6 * table["per_task"]["masked"] < entries / 8 + header
    assert table["per_task"]["plain"] == 0
    assert table["task_name"].fillna("").to_dict() == {"masked": "needed", "plain": ""}
    lines = Path("results/p/tables/s/cost.md").read_text().splitlines()
    assert [line.split("|")[-3].strip() for line in (lines[0], *lines[2:4])] == ["Task's name", "needed", "–"]
    assert [line.split("|")[-4].strip() for line in (lines[0], *lines[2:4])] == ["More per image (%)", "–", "0.0"]

    published = {"published": "main.csv", "measured": "methods.yaml", "standard": "fidelity.yaml"}
    read = {
        "scores": [f"results/p/scores/s/{name}.csv" for name in files],
        "costs": "results/p/tables/s/cost.csv",
        **{name: str(ROOT / "published" / file) for name, file in published.items()},
    }
    made = {name: f"results/p/tables/s/leaderboard.{suffix}" for name, suffix in SUFFIXES.items()}
    described_methods = {name: {"algorithm": "ties", "keep": 0.2} for name in files}
    run("leaderboard_table", read, made, {"methods": rows, "tasks": list(TASKS), "described": described_methods})
    table = read_csv(made["csv"]).set_index("method")
    assert set(table["block"]) == {"needs validation labels"}
    assert table["task_name"].fillna("").to_dict() == {"masked": "needed", "plain": ""}


def test_a_module_after_the_encoder_is_an_assembly_like_any_other(tmp_path: Path, start: dict[str, Tensor]) -> None:
    parts = {task: {"weight": torch.randn(128, 128)} for task in TASKS}
    save_merged(tmp_path / "m.safetensors", start, described("mini"), "adapted", parts)
    pixels = to_input(torch.from_numpy(images().images))
    merged, encoder = load_merged(tmp_path / "m.safetensors"), load_encoder(tmp_path / "m.safetensors")
    with torch.inference_mode():
        for task in TASKS:
            expected = encoder(pixels) @ parts[task]["weight"].T
            torch.testing.assert_close(merged.encoder_for(task)(pixels), expected)


def test_equal_results_have_equal_bytes_and_parts_lie_in_a_folder_of_the_name(
    tmp_path: Path, save: Callable[..., Path]
) -> None:
    one, two = save(tmp_path / "one.safetensors"), save(tmp_path / "two.safetensors")
    assert one.read_bytes() == two.read_bytes()
    for task in TASKS:
        assert (tmp_path / f"one/{task}.safetensors").read_bytes() == (
            tmp_path / f"two/{task}.safetensors"
        ).read_bytes()
    assert read_metadata(one)["parts"] == "a+b"
    assert read_metadata(tmp_path / "one/a.safetensors")["task"] == "a"
    assert list(MergedFiles(one).part_bytes) == ["a", "b"]


def test_what_cannot_be_read_is_named_with_its_remedy(tmp_path: Path, save: Callable[..., Path]) -> None:
    path = save(tmp_path / "m.safetensors")
    with pytest.raises(RemergeError, match=r"m\.safetensors: has no part for c, only for a, b"):
        load_merged(path).encoder_for("c")
    other = save(tmp_path / "other.safetensors", scale=0.4)
    (tmp_path / "m/b.safetensors").write_bytes((tmp_path / "other/b.safetensors").read_bytes())
    with pytest.raises(
        RemergeError, match=r"m/b\.safetensors: belongs to another .* pre-trained .*; delete .*m\.safet"
    ):
        load_merged(path)
    (tmp_path / "other/a.safetensors").unlink()
    with pytest.raises(RemergeError, match=r"other/a\.safetensors: missing, .*; delete .*other\.safetensors to have"):
        MergedFiles(other)
    save_weights(path, load_weights(path), described("mini") | {"assembly": "braided"})
    with pytest.raises(RemergeError, match=r"m\.safetensors: .* 'braided'; known: plain, .*; .* delete it"):
        load_merged(path)
    with pytest.raises(ParameterError, match="unknown assembly 'braided'; known: plain"):
        save_merged(path, {}, {}, "braided")


def test_all_files_are_written_or_none(tmp_path: Path, start: dict[str, Tensor]) -> None:
    path = tmp_path / "m.safetensors"
    whole = {task: {"weight": torch.eye(128)} for task in TASKS}
    save_merged(path, start, described("mini"), "adapted", whole)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.safetensors")}
    broken = {"a": {"weight": 2 * torch.eye(128)}, "b": {"weight": torch.full((2, 2), torch.nan)}}
    with pytest.raises(RemergeError, match="NaN"):
        save_merged(path, start, described("mini"), "adapted", broken)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
