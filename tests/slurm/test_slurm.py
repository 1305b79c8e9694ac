"""The workflow on a real SLURM, undisturbed it is not: jobs are killed, cancelled, starved, and Snakemake with them."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path

import pytest
import yaml
from artifacts import contents, unequal
from cluster import Cluster, missing_programs
from project import ROOT, TWO_CORES, copy_project, python_path, scripts_in, snakemake, with_less

pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(
        bool(missing_programs()), reason=f"SLURM is not installed (no {', '.join(missing_programs())}): make test-slurm"
    ),
]
# One is the zero-shot score, which all methods wait for.
MOST_SUBMISSIONS = 41
# Four are pairs of methods that merge into one encoder, and two make parts per task, which are in no pair.
FOR_NEWER_METHODS = 6
MOST_OF_TWENTY_TASKS = 150
COMMAND = (
    *("--workflow-profile", "profiles/slurm", "--slurm-no-account", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "4", "--seconds-between-status-checks", "3", "--latency-wait", "5"),
    *("--local-cores", "1", *TWO_CORES),
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # Everyone must be able to reach the socket, which pytest's own folders do not allow.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


class Run:
    """Snakemake at work on the cluster, in a process group of its own."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.log = folder / "snakemake.log"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *COMMAND],
                cwd=folder,
                env=cluster.environment | python_path(folder),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until(self, condition: Callable[[], bool], seconds: float = 480) -> None:
        """Wait until something is so; fail if Snakemake ends before."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"Snakemake ended early:\n{self.log.read_text()[-4000:]}"
            assert time.monotonic() < end, f"it did not happen:\n{self.log.read_text()[-4000:]}"
            time.sleep(0.3)


def test_every_fault_is_survived_and_the_results_are_the_same(
    cluster: Cluster, expected: dict[str, bytes], tmp_path: Path
) -> None:
    folder = with_less(copy_project(tmp_path / "project"))
    profile = folder / "profiles" / "slurm" / "config.yaml"
    settings = yaml.safe_load(profile.read_text(encoding="utf-8"))
    # Too little on the first attempt, enough on the second.
    settings["set-resources"]["score_expert"] = {
        **settings["set-resources"]["score_expert"],
        "mem_mb": "attempt * 750",
    }
    profile.write_text(yaml.safe_dump(settings), encoding="utf-8")
    run = Run(cluster, folder)

    run.wait_until(lambda: bool(scripts_in(folder)))
    os.kill(scripts_in(folder)[0], signal.SIGKILL)

    run.wait_until(lambda: len(cluster.finished()) >= 3 and bool(cluster.running()))
    cancelled, _ = cluster.running()[0]
    cluster.ask("scancel", cancelled)

    run.wait_until(lambda: bool(list(folder.glob("results/mini/weights/digits.safetensors"))))
    cluster.ask("scontrol", "update", "NodeName=n1", "State=DRAIN", "Reason=test")
    run.wait_until(lambda: bool(list(folder.glob("results/mini/scores/two/*.csv"))))
    cluster.ask("scontrol", "update", "NodeName=n1", "State=RESUME")

    run.wait_until(lambda: bool(cluster.running()))
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()
    # What docs/cluster.md says to do.
    cluster.ask("scancel", "--me")
    run_unlock = subprocess.run(
        [sys.executable, "-m", "snakemake", "--unlock"], cwd=folder, env=cluster.environment, check=True
    )
    assert run_unlock.returncode == 0
    for _ in range(3):
        if Run(cluster, folder).process.wait(timeout=1200) == 0:
            break
    log = (folder / "snakemake.log").read_text()
    assert "(100%) done" in log, log[-4000:]

    assert sorted(contents(folder)) == sorted(expected)
    assert unequal(folder, expected) == []

    jobs = cluster.finished()
    states = {job["JobState"] for job in jobs}
    assert {"COMPLETED", "CANCELLED"} <= states
    assert states & {"FAILED", "OUT_OF_MEMORY"}, "the killed and the starved job left no trace"
    assert any("n2" in job["NodeList"] for job in jobs)


@pytest.mark.parametrize(("rows", "most"), [(14, MOST_SUBMISSIONS), (None, MOST_SUBMISSIONS + FOR_NEWER_METHODS)])
def test_every_stage_that_works_goes_through_the_queue_and_the_queue_is_not_flooded(
    tmp_path: Path, rows: int | None, most: int
) -> None:
    folder = copy_project(tmp_path / "project")
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    # Not the recipe of the pre-trained encoder that comes with the repository, and a method that learns adapters.
    config["training"] = {"pretraining": {"steps": 2}}
    # The papers' fourteen rows, and all.
    config["methods"] = dict(islice(config["methods"].items(), rows))
    config["methods"]["surgery"] = {"label": "Surgery", "algorithm": "surgery", "around": "weight-averaging"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    plan = snakemake(folder, *COMMAND, "--dry-run")
    profile = yaml.safe_load((folder / "profiles/slurm/config.yaml").read_text())
    grouped = set(re.findall(r"^    rule (\w+):$", plan, re.MULTILINE))
    alone = re.findall(r"^rule (\w+):$", plan, re.MULTILINE)
    local = {rule for rule in alone if rule.endswith(("_table", "_figure"))} | {
        "all",
        "figure",
        "audit_images",
        "score_individual",
    }
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "workflow" / "rules").glob("*.smk")]
    rules = {rule for text in texts for rule in re.findall(r"^(?:use rule \w+ as|rule) (\w+)", text, re.MULTILINE)}
    assert set(profile["set-resources"]) <= rules, "resources of a rule that does not exist"
    runs_a_model = {rule for rule in grouped | set(alone) if "train" in rule or "tune" in rule or "score" in rule}
    assert runs_a_model - local - {"render_pretraining"} <= set(profile["set-resources"]), "no GPU is asked for"
    submissions = plan.count("Group job ") + len([rule for rule in alone if rule not in local])
    assert 10 <= submissions <= most


def test_twenty_tasks_do_not_flood_the_queue_either(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "project")
    shutil.copy(ROOT / "config.yaml", folder)
    plan = snakemake(folder, *COMMAND, "--configfile", str(ROOT / "config/clip-vit-l-14-20.yaml"), "--dry-run")
    alone = re.findall(r"^rule (\w+):$", plan, re.MULTILINE)
    queued = [rule for rule in alone if rule in ("score_pretrained", "study", "entropy_table", "prepare_images")]
    assert 20 <= plan.count("Group job ") + len(queued) <= MOST_OF_TWENTY_TASKS
    assert plan.count("rule prepare_images:") == 2 * 20


def test_every_submission_was_a_job_of_the_queue(cluster: Cluster) -> None:
    jobs = cluster.finished()
    assert len([job for job in jobs if job["JobState"] == "COMPLETED"]) >= 8
    assert {job["Partition"] for job in jobs} == {"cpu", "gpu"}


def test_jobs_on_one_gpu_do_not_overlap(cluster: Cluster) -> None:
    jobs = [job for job in cluster.finished() if job["Partition"] == "gpu" and job["NodeList"] in ("n1", "n2")]
    assert len(jobs) >= 4
    for node in ("n1", "n2"):
        own = sorted((job["StartTime"], job["EndTime"]) for job in jobs if job["NodeList"] == node)
        for (_, end), (begin, _) in pairwise(own):
            assert begin >= end, f"two jobs on {node}'s GPU at once: {own}"
