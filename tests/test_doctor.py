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
from remerge.doctor import Check, cluster, configuration, disk, estimates, examine, gpu, machine, report
from remerge.doctor import downloads as doctor_downloads
from remerge.plan.downloads import Downloads

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
    checks, size = doctor_downloads.repositories(Downloads(config()).repositories())
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
    checks, _ = doctor_downloads.repositories(Downloads(config()).repositories())
    (fault,) = [check for check in checks if check.verdict != "fine"]
    assert told in fault.message
    # Without images the run goes on and averages say so; without a checkpoint it does not.
    images = repository.startswith("datasets/")
    assert fault.verdict == ("warning" if images else "will fail")
    assert ("the task is left out" in fault.message) is images
    assert fault.remedy


def test_a_gated_repository_will_fail_and_the_remedy_is_a_token(server: HubServer) -> None:
    server.refuse_always = 403
    checks, _ = doctor_downloads.repositories(Downloads(config()).repositories())
    assert [check.verdict for check in checks] == ["will fail", "will fail", "warning"]
    assert all("accept its terms" in check.remedy and "HF_TOKEN" in check.remedy for check in checks)


def test_a_token_that_has_expired_fails_every_download(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_old")
    server.bad_token = True
    checks, _ = doctor_downloads.repositories(Downloads(config()).repositories())
    assert [check.verdict for check in checks] == ["will fail"] * 3
    assert all("token" in check.message and "HF_TOKEN to a new one" in check.remedy for check in checks)


@pytest.mark.parametrize("fault", ["busy", "page", "unreachable", "offline"])
def test_without_an_answer_it_cannot_tell(server: HubServer, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    if fault == "busy":
        server.refuse_always = 503
    elif fault == "page":
        server.page = "GET api"
    elif fault == "unreachable":
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    else:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    checks, size = doctor_downloads.repositories(Downloads(config()).repositories())
    assert {check.verdict for check in checks} == {"cannot tell"}
    assert size == 0
    assert bool(server.requests) == (fault in ("busy", "page"))


def test_google_drive_is_asked_only_where_checkpoints_come_from_it(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_downloads.drive, "ADDRESS", server.url + "/folder")
    pool = {"origin": "task-vectors", "architecture": "ViT-B-32"}
    assert doctor_downloads.drive_folder(config()) == []
    assert doctor_downloads.drive_folder(config(pools={"pool": {**pool, "folder": "here"}})) == []
    assert server.requests == []
    (check,) = doctor_downloads.drive_folder(config(pools={"pool": pool}))
    assert (check.verdict, server.requests) == ("will fail", ["HEAD folder"])
    monkeypatch.setattr(doctor_downloads.drive, "ADDRESS", "http://127.0.0.1:9")
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
    assert [check.verdict for check in checks] == [usable, memory, "fine"]
    assert told in report(checks, short=True)


def test_images_go_through_a_smaller_gpu_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suites = {"eight": ["SUN397", "Cars", "RESISC45", "EuroSAT", "SVHN", "GTSRB", "MNIST", "DTD"]}
    for megabytes, verdict, in_parts in ((12000, "will fail", False), (81559, "fine", True), (183359, "fine", False)):
        fake(tmp_path / "bin", monkeypatch, "nvidia-smi", f"580.65.06, NVIDIA GPU, {megabytes}, 9.0")
        check = gpu.gpus(config("ViT-L-14", suites=suites), BUILD)[1]
        assert (check.verdict, "in parts" in check.message) == (verdict, in_parts)


@pytest.mark.parametrize("build", [BUILD, ("2.15.0+cpu", None)])
def test_a_gpu_that_cannot_be_used_stops_mini_too_unless_the_configuration_says_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: tuple[str, str | None]
) -> None:
    fake(tmp_path / "bin", monkeypatch, "nvidia-smi", "535.104.05, NVIDIA H100, 81559, 9.0")
    assert gpu.gpus(config("mini"), build)[0].verdict == "will fail"
    assert "device: cpu" in gpu.gpus(config("mini"), build)[0].remedy
    assert set(verdicts(gpu.gpus(config("mini", device="cpu"), build)).values()) == {"fine"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert set(verdicts(gpu.gpus(config("mini"), build)).values()) == {"fine"}


def test_the_hours_on_a_cpu_decide_whether_a_gpu_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(gpu, "most_threads", lambda: 2)
    monkeypatch.setattr(gpu, "local_gpus", lambda: 0)
    first = configuration(ROOT, ROOT / "config" / "clip-first-run.yaml")
    (short,) = gpu.gpus(first)
    assert (short.verdict, "on 2 CPU cores" in short.message) == ("fine", True)
    (long,) = gpu.gpus(configuration(ROOT, ROOT / "config" / "clip-vit-b-32.yaml"))
    assert (long.verdict, "on a data-centre GPU" in long.message) == ("cannot tell", True)


def test_readmes_table_of_the_presets_is_what_is_estimated() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    table = {row[0]: row[1:] for row in rows if len(row) == 6 and row[0].startswith("ViT-")}
    assert list(table) == ["ViT-B/32", "ViT-B/16", "ViT-L/14"]
    for name, cells in table.items():
        asked = configuration(ROOT, ROOT / "config" / f"clip-{name.lower().replace('/', '-')}.yaml")
        room = sum(disk.results_bytes(asked).values()) + disk.hub_bytes(asked)
        largest = gpu.adapting(asked)
        assert largest
        memory = [size / 1e9 for size in estimates.adapting_bytes(*largest)]
        estimated = [*gpu.hours(asked), room / 1e9, *memory]
        assert [float(cell.removesuffix(" GB")) for cell in cells] == pytest.approx(estimated, rel=0.1), name


@pytest.mark.parametrize("architecture", ["mini", "ViT-B-32"])
def test_activations_take_the_memory_that_is_estimated(architecture: str) -> None:
    import torch

    from remerge.clip.architectures import ARCHITECTURES
    from remerge.clip.encoders import build_clip

    encoder, size = build_clip(architecture).visual, ARCHITECTURES[architecture].image_size
    weights = {parameter.untyped_storage().data_ptr() for parameter in encoder.parameters()}

    def kept(count: int) -> int:
        storages: dict[int, tuple[int, torch.Tensor]] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                # Held, so that no other takes its place and address.
                storages[storage.data_ptr()] = (storage.nbytes(), tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            encoder(torch.zeros(count, 3, size, size))
        return sum(size for size, _ in storages.values())

    assert kept(2) - kept(1) == pytest.approx(estimates.ACTIVATIONS[architecture], rel=0.05)


def test_torchs_build_is_read_without_importing_it() -> None:
    import torch

    assert gpu.torch_build() == (torch.__version__, torch.version.cuda)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = sum(disk.results_bytes(config()).values())
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


IMAGE = 3 * 224**2


def test_every_stage_has_its_room(tmp_path: Path) -> None:
    for name, count in (("train/a", 30), ("train/b", 10), ("test/a", 5), ("test/b", 5)):
        (tmp_path / name).mkdir(parents=True)
        for index in range(count):
            (tmp_path / name / f"{index}.png").touch()
    robust = {
        "kind": "robustness",
        "suite": "one",
        "tasks": ["MNIST", "own"],
        "corruptions": ["jpeg", "contrast"],
        "methods": ["ada"],
    }
    asked = config(
        suites={"one": ["MNIST", "SVHN", "own"]},
        tasks={"own": {"folder": str(tmp_path)}},
        clip_tasks={"SVHN": {"source": "torchvision"}, "MNIST": {"test_images": 1000}},
        studies={"robust": robust},
    )
    stages = disk.results_bytes(asked)
    assert stages["your own images"] == 50 * IMAGE
    assert stages["test and validation images"] == (1000 + 5000 + 26032 + 5000) * IMAGE
    assert stages["corrupted images"] == 2 * (1000 + 10) * IMAGE
    assert stages["images being prepared"] == 26032 * IMAGE
    assert stages["torchvision's downloads"] > 2e8
    # They are stored where experts are fine-tuned on them, and nowhere else.
    assert "training images" not in stages
    finetuned = {"pool": {"origin": "finetuned", "architecture": "ViT-B-32"}}
    kept = disk.results_bytes(asked.model_copy(update={"pools": config(pools=finetuned).pools}))
    assert kept["training images"] == (55000 + 68257) * IMAGE


def test_too_little_memory() -> None:
    told = {limit: machine.memory(config(), NEEDS, limit).verdict for limit in (int(1e9), int(6e9), int(64e9))}
    assert list(told.values()) == ["will fail", "cannot tell", "fine"]
    assert machine.memory(config(), NEEDS, 0).verdict == "cannot tell"


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text(
        '[project]\ndependencies = ["numpy>=999"]\n'
        '[project.optional-dependencies]\nworkflow = ["no-such-package", "pyyaml"]\n',
        encoding="utf-8",
    )
    check = machine.packages(project)
    assert check.verdict == "will fail"
    assert "no-such-package is missing" in check.message
    assert "numpy" in check.message
    assert "pyyaml" not in check.message


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    tasks = {"mine": {"folder": str(tmp_path)}, "gone": {"folder": str(tmp_path / "gone")}}
    assert verdicts(machine.folders(config(tasks=tasks))) == {
        "tasks.mine.folder": "fine",
        "tasks.gone.folder": "will fail",
    }


def test_partitions_that_the_cluster_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = ROOT / "profiles" / "slurm"
    fake(tmp_path / "bin", monkeypatch, "sinfo", "cpu*\ngpu")
    assert cluster.partitions(profile).verdict == "fine"
    fake(tmp_path / "bin", monkeypatch, "sinfo", "cpu*\na100")
    check = cluster.partitions(profile)
    assert check.verdict == "will fail"
    assert "names gpu; this cluster has a100, cpu" in check.message
    assert cluster.partitions(ROOT / "profiles" / "default").verdict == "fine"
    assert cluster.partitions(tmp_path).verdict == "will fail"
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert cluster.partitions(profile).verdict == "cannot tell"


def test_only_the_profile_that_will_be_used_is_judged(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path / "bin", monkeypatch, "sinfo", "cpu*\na100")
    assert "cluster" not in verdicts(examine(ROOT, None, tmp_path / "results"))
    slurm = examine(ROOT, None, tmp_path / "results", ROOT / "profiles" / "slurm")
    assert verdicts(slurm)["cluster"] == "will fail"


@pytest.mark.parametrize("package", ["pydantic", "huggingface_hub", "yaml", "packaging", "numpy", "tqdm"])
def test_a_package_that_cannot_be_imported_is_a_line_with_a_remedy(tmp_path: Path, package: str) -> None:
    hide = f"import sys, runpy\nsys.modules[{package!r}] = None\nsys.argv = ['remerge', 'doctor', '--short']\n"
    code = hide + "runpy.run_module('remerge', run_name='__main__', alter_sys=True)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in run.stderr
    assert run.returncode == 1
    assert f"import of {package} halted" in run.stdout or f"'{package}'" in run.stdout
    assert "-> make .venv/installed, or pip install -r requirements.lock" in run.stdout


def test_a_fault_that_nobody_thought_of_is_a_line_and_hides_no_other(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {name: verdict for name, verdict in verdicts(examine(ROOT, None, tmp_path)).items() if name != "GPU"}

    def broken(config: Config) -> list[Check]:
        raise ValueError("a driver says 3 | 5")

    monkeypatch.setattr(gpu, "gpus", broken)
    checks = examine(ROOT, None, tmp_path)
    assert verdicts(checks) == {**expected, "GPU": "cannot tell"}
    assert "ValueError: a driver says 3 | 5" in report(checks)


def test_a_lock_file_that_the_run_refuses_will_fail(server: HubServer, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"downloads: {tmp_path}/lock.yaml\n", encoding="utf-8")
    (check,) = [check for check in examine(ROOT, file, tmp_path) if check.name == "lock file"]
    assert check.verdict == "will fail"
    assert "Name the downloads.lock.yaml of another run" in check.message
    (tmp_path / "lock.yaml").write_text("hub: []\n", encoding="utf-8")
    assert verdicts(examine(ROOT, file, tmp_path))["lock file"] == "fine"


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
    assert fault.stdout.startswith("will fail   tasks.gone.folder: gone is not a folder")
    assert len(fault.stdout.splitlines()) == 2
