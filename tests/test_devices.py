"""A job runs where it was told to, or stops and says why; memory that is too small; threads within limits."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from remerge.images.store import ImageSet
from remerge.merging.learning import learn_coefficients
from remerge.run import devices, nvidia, threads
from remerge.scoring.entropy import entropies_and_losses
from remerge.scoring.evaluation import predictions

GPU = {"gpu": 1}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No device in use, a GPU machine with a new driver, and a torch that sees no GPU."""
    monkeypatch.setattr(devices, "_in_use", [])
    monkeypatch.delenv(devices.SETTING, raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", lambda: (_ for _ in ()).throw(RuntimeError("CUDA error 999")))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    nvidia_smi(monkeypatch, "580.82.07")


def nvidia_smi(monkeypatch: pytest.MonkeyPatch, driver: str | None) -> None:
    def answer(*arguments: str) -> list[str]:
        if driver is None:
            return []
        return ["GPU 0: NVIDIA H100 (UUID: GPU-1)"] if arguments == ("-L",) else [driver]

    monkeypatch.setattr(nvidia, "nvidia_smi", answer)


@pytest.mark.parametrize("resources", [{}, {"gpu": 0}, {"gres": "tmp:1"}])
def test_a_job_without_a_gpu_runs_on_the_cpu_and_says_so_once(
    resources: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert devices.device_for(resources) == devices.device_for(resources) == "cpu"
    told = capsys.readouterr().err
    assert told.count("device: cpu") == 1
    assert torch.__version__ in told
    assert "CUDA 13.2" in told


@pytest.mark.parametrize("resources", [GPU, {"gpu": 0, "gres": "gpu:1"}])
def test_a_granted_gpu_that_cannot_be_used_stops_the_job_unless_the_configuration_says_cpu(
    resources: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(devices.SETTING, "auto")
    with pytest.raises(devices.DeviceError, match=r"CUDA error 999[\s\S]*`device: cpu`"):
        devices.device_for(resources)
    assert devices.device_in_use() == "cpu"
    monkeypatch.setenv(devices.SETTING, "cpu")
    assert devices.device_for(resources) == "cpu"


def test_work_in_float64_is_not_given_to_a_gpu_that_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(devices.DeviceError):
        devices.device_for_float64(GPU)
    assert devices.device_for_float64({}) == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.device_for_float64(GPU) == devices.device_in_use() == "cpu"


@pytest.mark.parametrize(
    ("driver", "cuda", "visible", "reason"),
    [
        ("535.104.05", "13.2", None, r"driver 535\.104\.05 is too old .* needs 580 .*\n.*--torch-backend=auto"),
        ("470.10", "12.6", None, "driver 470.10 is too old .* needs 525 "),
        ("535.104.05", "12.6", None, "CUDA error 999"),
        ("580.82.07", None, None, "built without CUDA"),
        (None, "13.2", None, "nvidia-smi lists no GPU"),
        ("580.82.07", "13.2", "", "CUDA_VISIBLE_DEVICES hides"),
    ],
)
def test_the_reason_is_given(
    driver: str | None, cuda: str | None, visible: str | None, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvidia_smi(monkeypatch, driver)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(devices.DeviceError, match=reason):
        devices.device_for(GPU)


def test_a_gpu_that_the_build_has_no_kernels_for_is_refused_and_another_is_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla V100")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80", "sm_90"])
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 0))
    with pytest.raises(devices.DeviceError, match=r"no kernels for Tesla V100, of compute capability 7\.0"):
        devices.device_for(GPU)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 6))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (3 * 2**30, 8 * 2**30))
    assert devices.device_for(GPU) == devices.device_in_use() == "cuda"
    assert "3.0 of 8.0 GiB free" in capsys.readouterr().err


def test_a_gpu_that_another_process_has_to_itself_stops_the_job_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def busy() -> tuple[int, int]:
        raise RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCompile with ...")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_90"])
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.cuda, "mem_get_info", busy)
    with pytest.raises(devices.DeviceError, match=r"busy or unavailable.*\n.*nvidia-smi[\s\S]*`device: cpu`"):
        devices.device_for(GPU)
    assert devices.device_in_use() == "cpu"


@pytest.mark.parametrize(
    ("architectures", "capability", "expected"),
    [
        (["sm_75", "sm_80"], (8, 9), True),
        (["sm_75", "sm_86"], (8, 0), False),
        (["sm_90a"], (9, 0), True),
        (["sm_100a"], (10, 3), False),
        (["sm_90", "compute_90"], (12, 0), True),
        (["sm_90"], (12, 0), False),
        ([], (9, 0), False),
    ],
)
def test_kernels_run_on_later_minors_and_ptx_on_anything_later(
    architectures: list[str], capability: tuple[int, int], expected: bool
) -> None:
    assert nvidia.has_kernels(architectures, capability) is expected


@pytest.mark.parametrize(("visible", "count"), [(None, 1), ("0", 1), ("", 0), ("-1", 0)])
def test_hidden_gpus_are_not_promised(visible: str | None, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.local_gpus() == count


OUT_OF_MEMORY: list[Callable[[], RuntimeError]] = [
    lambda: torch.OutOfMemoryError("CUDA out of memory."),
    lambda: RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"),
]


class Narrow(nn.Module):
    """Has memory for so many images at once."""

    def __init__(self, most: int, error: Callable[[], RuntimeError]) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 4, bias=False)
        self.most, self.error = most, error

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.most:
            raise self.error()
        features: Tensor = self.layer(images.flatten(1))
        return features


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_too_little_memory_changes_no_prediction(error: Callable[[], RuntimeError]) -> None:
    torch.manual_seed(0)
    encoder, head = Narrow(100, error), torch.randn(4, 3)
    images = torch.randint(0, 256, (21, 2, 2, 3), dtype=torch.uint8).numpy()
    roomy = predictions(encoder, head, images)
    encoder.most = 5
    assert torch.equal(predictions(encoder, head, images), roomy)
    encoder.most = 0
    with pytest.raises(RuntimeError, match="out of memory"):
        predictions(encoder, head, images)


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_too_little_memory_changes_no_entropy(error: Callable[[], RuntimeError]) -> None:
    torch.manual_seed(0)
    encoder, head = Narrow(100, error), torch.randn(4, 3)
    images = torch.randint(0, 256, (21, 2, 2, 3), dtype=torch.uint8).numpy()
    image_set = ImageSet(images, np.arange(21) % 3, "task", "test", "real")
    roomy = entropies_and_losses(encoder, head, image_set)
    encoder.most = 5
    for narrow, expected in zip(entropies_and_losses(encoder, head, image_set), roomy, strict=True):
        torch.testing.assert_close(narrow, expected)


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_too_little_memory_changes_no_coefficient(error: Callable[[], RuntimeError]) -> None:
    def learn(most: int) -> Tensor:
        torch.manual_seed(0)
        encoder = Narrow(most, error)
        vectors = [{"layer.weight": torch.randn(4, 12)} for _ in range(2)]
        images = [torch.randn(6, 3, 2, 2) for _ in range(2)]
        heads = [torch.randn(4, 3) for _ in range(2)]
        return learn_coefficients(
            encoder, heads, dict(encoder.state_dict()), vectors, lambda step: images, tasks=["a", "b"], steps=3
        ).values

    torch.testing.assert_close(learn(5), learn(100), rtol=0, atol=1e-6)


def test_other_errors_are_not_taken_for_too_little_memory() -> None:
    encoder = Narrow(1, lambda: RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        predictions(encoder, torch.randn(4, 3), torch.zeros(4, 2, 2, 3, dtype=torch.uint8).numpy())


def test_threads_keep_to_the_control_groups_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    assert threads.most_threads(tmp_path) == 16
    own, above = tmp_path / "sys/fs/cgroup/jobs/7", tmp_path / "sys/fs/cgroup/jobs"
    own.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("1:cpu:/\n0::/jobs/7\n")
    (own / "cpu.max").write_text("max 100000\n")
    assert threads.most_threads(tmp_path) == 16
    (above / "cpu.max").write_text("250000 100000\n")
    assert threads.most_threads(tmp_path) == 3
    (own / "cpu.max").write_text("50000 100000\n")
    assert threads.most_threads(tmp_path) == 1


def test_threads_keep_to_a_limit_of_version_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    (tmp_path / "proc/self").mkdir(parents=True)
    # In a container, the process's group may not be mounted; then the root's limit holds.
    (tmp_path / "proc/self/cgroup").write_text("7:memory:/a\n4:cpu,cpuacct:/host/only\n")
    root = tmp_path / "sys/fs/cgroup/cpu,cpuacct"
    root.mkdir(parents=True)
    (root / "cpu.cfs_period_us").write_text("100000\n")
    (root / "cpu.cfs_quota_us").write_text("-1\n")
    assert threads.most_threads(tmp_path) == 16
    (root / "cpu.cfs_quota_us").write_text("200000\n")
    assert threads.most_threads(tmp_path) == 2


# A job in a separate process prints how many threads each library would use.
JOB = """
import sys
from pathlib import Path
if sys.argv[2] == "early":
    import numpy, torch, pyarrow
from remerge.run.archive import Job
from remerge.run.job import job
told = {"rule": "r", "script": "", "code": "", "input": {}, "output": {}, "parameters": {}, "wildcards": {}}
snakemake = Job(told, Path())
snakemake.threads = int(sys.argv[1])
with job(snakemake):
    import numpy, torch, pyarrow, pyarrow.parquet
    from threadpoolctl import threadpool_info
    from remerge.run.threads import granted
    found = {f"{each['internal_api']} {each['prefix']}": each["num_threads"] for each in threadpool_info()}
    found |= {"torch": torch.get_num_threads(), "arrow": pyarrow.cpu_count()}
    found |= {"arrow's files": pyarrow.io_thread_count(), "prepared at once": granted(snakemake.threads)}
    pyarrow.parquet.write_table(pyarrow.table({"x": numpy.zeros(100_000)}), "t.parquet")
    pyarrow.parquet.read_table("t.parquet")
    print(found)
"""


@pytest.mark.parametrize("moment", ["early", "late"])
@pytest.mark.parametrize(("asked", "slurm", "expected"), [(1, "", 1), (8, "2", 2)])
def test_no_library_of_a_job_uses_more_threads_than_the_job_was_given(
    tmp_path: Path, moment: str, asked: int, slurm: str, expected: int
) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in threads.LIMITS}
    environment |= {"PYTHONPATH": str(Path(__file__).parent.parent), "SLURM_CPUS_PER_TASK": slurm}
    run = subprocess.run(
        [sys.executable, "-c", JOB, str(asked), moment],
        cwd=tmp_path,
        env=environment | {"OMP_NUM_THREADS": "6", "OPENBLAS_NUM_THREADS": "6"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = ast.literal_eval(run.stdout)
    assert len(found) >= 5
    most = min(expected, len(os.sched_getaffinity(0)))
    assert all(1 <= count <= most for count in found.values()), found


def test_a_lower_limit_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in threads.LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(threads, "most_threads", lambda: 4)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert threads.keep_to(8) == 4
        assert torch.get_num_threads() == 1
        assert os.environ["OMP_NUM_THREADS"] == "1"
        assert os.environ["MKL_NUM_THREADS"] == "4"
        assert threads.granted(0) == 1
    finally:
        torch.set_num_threads(before)


def test_what_the_user_says_of_waiting_threads_stands() -> None:
    environment = {"OMP_WAIT_POLICY": "ACTIVE"}
    threads.let_threads_yield(environment)
    assert environment == {**threads.YIELDING, "OMP_WAIT_POLICY": "ACTIVE"}
