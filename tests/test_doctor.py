"""What the doctor says of machines and repositories with one fault each."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hub_server import HubServer
from huggingface_hub import constants
from huggingface_hub.utils import _http, close_session

from remerge.config import Config
from remerge.doctor import Check, cluster, configuration, disk, examine, gpu, machine, report
from remerge.doctor import downloads as doctor_downloads
from remerge.downloads.wanted import wanted_from_hub

ROOT = Path(__file__).parent.parent
BUILD = ("2.15.0+cu132", "13.2")
NEEDS = yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text(encoding="utf-8"))
EXPERT = "tanganke/clip-vit-base-patch32_mnist"
REPOSITORIES: dict[str, dict[str, bytes]] = {
    "timm/vit_base_patch32_clip_224.openai": {"open_clip_model.safetensors": b"four"},
    EXPERT: {"config.json": b"{}", "pytorch_model.bin": b"expert"},
    "datasets/ylecun/mnist": {"mnist/train-0.parquet": b"train", "mnist/test-0.parquet": b"test"},
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub with all that one task wants, and an empty cache."""
    with HubServer({name: dict(files) for name, files in REPOSITORIES.items()}) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)
        yield running
    close_session()


def config(architecture: str = "ViT-B-32", **changes: Any) -> Config:
    origin = "trained" if architecture == "mini" else "fusionbench"
    ada = {"label": "AdaMerging", "algorithm": "adamerging"}
    content: dict[str, Any] = {
        "pools": {"pool": {"origin": origin, "architecture": architecture}},
        "suites": {"one": ["MNIST"]},
        "methods": {"ada": ada},
    }
    return Config.model_validate(content | changes)


def verdicts(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str, answer: str) -> None:
    """Put a program on PATH that prints an answer."""
    folder.mkdir(exist_ok=True)
    path = folder / program
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_repositories_that_are_there_are_fine_and_nothing_is_fetched(server: HubServer) -> None:
    checks, size = doctor_downloads.repositories(wanted_from_hub(config()))
    assert [check.verdict for check in checks] == ["fine"] * 3
    assert size == sum(len(content) for files in REPOSITORIES.values() for content in files.values())
    assert not any("/resolve/" in request for request in server.requests)


@pytest.mark.parametrize(
    ("repository", "file", "told"),
    [
        (EXPERT, None, "does not exist"),
        (EXPERT, "pytorch_model.bin", "has no file model.safetensors or pytorch_model.bin"),
        ("datasets/ylecun/mnist", "mnist/test-0.parquet", r"has no file mnist/test-*.parquet"),
    ],
)
def test_what_is_missing_will_fail(server: HubServer, repository: str, file: str | None, told: str) -> None:
    left: Mapping[str, Mapping[str, bytes]] = {
        name: {path: content for path, content in files.items() if (name, path) != (repository, file)}
        for name, files in REPOSITORIES.items()
        if file or name != repository
    }
    server.repositories = left
    checks, _ = doctor_downloads.repositories(wanted_from_hub(config()))
    (fault,) = [check for check in checks if check.verdict != "fine"]
    assert fault.verdict == "will fail"
    assert told in fault.told
    assert fault.remedy


def test_a_gated_repository_will_fail_and_the_remedy_is_a_token(server: HubServer) -> None:
    server.refuse_always = 403
    checks, _ = doctor_downloads.repositories(wanted_from_hub(config()))
    assert {check.verdict for check in checks} == {"will fail"}
    assert all("accept its terms" in check.remedy and "HF_TOKEN" in check.remedy for check in checks)


@pytest.mark.parametrize("fault", ["busy", "unreachable", "offline"])
def test_without_an_answer_it_cannot_tell(server: HubServer, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    if fault == "busy":
        server.refuse_always = 503
    elif fault == "unreachable":
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    else:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    checks, size = doctor_downloads.repositories(wanted_from_hub(config()))
    assert {check.verdict for check in checks} == {"cannot tell"}
    assert size == 0
    assert bool(server.requests) == (fault == "busy")


def test_google_drive_is_asked_only_where_checkpoints_come_from_it(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_downloads, "DRIVE", server.url + "/folder")
    pool = {"origin": "task-vectors", "architecture": "ViT-B-32"}
    assert doctor_downloads.drive_folder(config()) == []
    assert doctor_downloads.drive_folder(config(pools={"pool": {**pool, "folder": "here"}})) == []
    assert server.requests == []
    (check,) = doctor_downloads.drive_folder(config(pools={"pool": pool}))
    assert (check.verdict, server.requests) == ("will fail", ["HEAD folder"])
    monkeypatch.setattr(doctor_downloads, "DRIVE", "http://127.0.0.1:9")
    (check,) = doctor_downloads.drive_folder(config(pools={"pool": pool}))
    assert check.verdict == "cannot tell"


@pytest.mark.parametrize(
    ("answer", "usable", "memory", "told"),
    [
        ("580.65.06, NVIDIA H100, 81559, 9.0", "fine", "fine", ""),
        ("535.104.05, NVIDIA H100, 81559, 9.0", "will fail", "fine", "needs driver 580"),
        ("580.65.06, Tesla V100, 32768, 7.0", "will fail", "fine", "compute capability 7.5"),
        ("580.65.06, NVIDIA T400, 500, 7.5", "fine", "will fail", "take a larger GPU"),
    ],
)
def test_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, usable: str, memory: str, told: str
) -> None:
    fake(tmp_path / "bin", monkeypatch, "nvidia-smi", answer)
    checks = gpu.gpus(config(), BUILD)
    assert [check.verdict for check in checks] == [usable, memory]
    assert told in report(checks, short=True)


def test_images_go_through_a_smaller_gpu_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suites = {"eight": ["SUN397", "Cars", "RESISC45", "EuroSAT", "SVHN", "GTSRB", "MNIST", "DTD"]}
    for megabytes, verdict, in_parts in ((12000, "will fail", False), (24000, "fine", True), (81559, "fine", False)):
        fake(tmp_path / "bin", monkeypatch, "nvidia-smi", f"580.65.06, NVIDIA GPU, {megabytes}, 9.0")
        check = gpu.gpus(config("ViT-L-14", suites=suites), BUILD)[1]
        assert (check.verdict, "in parts" in check.told) == (verdict, in_parts)


def test_an_old_driver_leaves_mini_to_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path / "bin", monkeypatch, "nvidia-smi", "535.104.05, NVIDIA H100, 81559, 9.0")
    assert "will fail" not in verdicts(gpu.gpus(config("mini"), BUILD)).values()


def test_torchs_build_is_read_without_importing_it() -> None:
    import torch

    assert gpu.torch_build() == (torch.__version__, torch.version.cuda)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = disk.image_bytes(config()) + sum(disk.pool_bytes(config(), config().pools["pool"]).values())
    for free, verdict in ((wanted - 1, "will fail"), (wanted, "fine")):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        (check,) = disk.disks(config(), tmp_path / "results", {})
        assert check.verdict == verdict
    (check,) = disk.disks(config(), tmp_path / "results", {tmp_path / "cache": 1})
    assert check.verdict == "will fail"
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "made").write_bytes(b"1")
    (check,) = disk.disks(config(), tmp_path / "results", {tmp_path / "cache": 1})
    assert check.verdict == "fine"


def test_too_little_memory() -> None:
    told = {limit: machine.memory(config(), NEEDS, limit).verdict for limit in (int(1e9), int(6e9), int(64e9))}
    assert list(told.values()) == ["will fail", "cannot tell", "fine"]
    assert machine.memory(config(), NEEDS, 0).verdict == "cannot tell"


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\ndependencies = ["numpy>=999", "no-such-package", "pyyaml"]\n', encoding="utf-8")
    check = machine.packages(project)
    assert check.verdict == "will fail"
    assert "no-such-package is missing" in check.told
    assert "numpy" in check.told
    assert "pyyaml" not in check.told


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    tasks = {"mine": {"folder": str(tmp_path)}, "gone": {"folder": str(tmp_path / "gone")}}
    assert verdicts(machine.folders(config(tasks=tasks))) == {
        "tasks.mine.folder": "fine",
        "tasks.gone.folder": "will fail",
    }


def test_partitions_that_the_cluster_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = ROOT / "profiles" / "slurm" / "config.yaml"
    fake(tmp_path / "bin", monkeypatch, "sinfo", "cpu*\ngpu")
    assert cluster.partitions(profile).verdict == "fine"
    fake(tmp_path / "bin", monkeypatch, "sinfo", "cpu*\na100")
    check = cluster.partitions(profile)
    assert check.verdict == "will fail"
    assert "names gpu; this cluster has a100, cpu" in check.told
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert cluster.partitions(profile) == Check("cluster", "fine", "not a cluster")


def test_a_file_is_laid_over_the_configuration_as_snakemake_does() -> None:
    laid = configuration(ROOT, ROOT / "config" / "clip-vit-b-32.yaml")
    assert list(laid.pools) == ["ViT-B-32", "ViT-B-32-fusionbench"]
    assert laid.methods["adamerging-layer"].parameters()["steps"] == 500


def test_the_default_configuration_needs_no_network(server: HubServer, tmp_path: Path) -> None:
    checks = examine(ROOT, None, tmp_path / "results")
    assert "will fail" not in verdicts(checks).values()
    assert verdicts(checks)["downloads"] == "fine"
    assert report(checks, short=True) == ""
    assert server.requests == []


def test_the_exit_code_says_whether_something_will_fail(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("tasks: {gone: {folder: gone}}\n", encoding="utf-8")

    def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "remerge", "doctor", "--short", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    fine, fault = doctor(), doctor("--configfile", str(broken))
    assert (fine.returncode, fine.stdout, fine.stderr) == (0, "", "")
    assert fault.returncode == 1
    assert fault.stdout.startswith("will fail   tasks.gone.folder: gone is no folder")
    assert len(fault.stdout.splitlines()) == 2
