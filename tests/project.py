"""A copy of the project in a folder of its own, with the tiny configuration, in which tests run Snakemake."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import psutil
import yaml
from PIL import Image, ImageDraw

ROOT = Path(__file__).parent.parent
PARTS = ("Snakefile", "remerge", "scripts", "workflow", "profiles", "envs", "published")
NO_JOBS = {"--dry-run", "-n", "--touch"}
FORK_SERVER = "multiprocessing.forkserver"

# The last digits of sums depend on the number of threads, which one process keeps to one.
TWO_CORES = ("--cores", "2", "--set-threads=pretrain=1")


def copy_project(folder: Path) -> Path:
    """Copy what the workflow needs, and draw the images of its folder task."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        source, target = ROOT / part, folder / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            shutil.copy2(source, target)
    shutil.copy2(ROOT / "tests" / "tiny.yaml", folder / "config.yaml")
    # Users do not have it, and open_clip would import it in every job.
    (folder / "hidden").mkdir(exist_ok=True)
    (folder / "hidden" / "transformers.py").write_text('raise ImportError("for tests only")')
    for split, count in (("train", 10), ("test", 4)):
        for name in ("circ", "sq"):
            for index in range(count):
                path = folder / "shapes" / split / name / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                image = Image.new("L", (40, 30))
                pen = ImageDraw.Draw(image)
                draw = pen.ellipse if name == "circ" else pen.rectangle
                draw((5 + index, 5, 25 + index, 25), fill=200 + index)
                image.save(path)
    return folder


def python_path(folder: Path) -> dict[str, str]:
    """The variable by which a project is the copy, wherever tests were started, and lacks what is there for tests."""
    return {"PYTHONPATH": str(folder / "hidden")}


def with_less(folder: Path) -> Path:
    """Leave out of a copied project what is there for its own sake; every stage that can be cut off remains."""
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["suites"] = {"two": ["digits", "shapes"]}
    for method in ("joint", "averaging", "ada-task"):
        del config["methods"][method]
    config["studies"] = {"pairs": config["studies"]["pairs"] | {"suite": "two"}}
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return folder


@cache
def _server() -> subprocess.Popen[str]:
    """The process whose forks run Snakemake; it ends with this one."""
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("one_process.py"))],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH" and name[:3] != "HF_"},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _run_in_one_process(folder: Path, arguments: tuple[str, ...]) -> tuple[int, str]:
    server = _server()
    assert server.stdin and server.stdout
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as output:
        request = {"folder": str(folder), "arguments": arguments, "output": output.name}
        server.stdin.write(json.dumps(request | {"environment": os.environ | python_path(folder)}) + "\n")
        server.stdin.flush()
        return int(server.stdout.readline()), output.read()


def _run_in_processes(folder: Path, arguments: tuple[str, ...]) -> tuple[int, str]:
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", *TWO_CORES, *arguments],
        cwd=folder,
        env=os.environ | python_path(folder),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return run.returncode, run.stdout


def snakemake(folder: Path, *arguments: str, check: bool = True, one_process: bool = False) -> str:
    """Run Snakemake in ``folder`` and return all it printed; in one process, many small jobs take far less time."""
    run = _run_in_one_process if one_process or set(arguments) & NO_JOBS else _run_in_processes
    code, output = run(folder, arguments)
    if check and code:
        raise AssertionError(f"snakemake {' '.join(arguments)} failed:\n{output[-6000:]}")
    if not check and not code:
        raise AssertionError(f"snakemake {' '.join(arguments)} was expected to fail:\n{output[-3000:]}")
    return output


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """Return how many jobs of each rule a dry run would start."""
    output = snakemake(folder, "--dry-run", *arguments)
    if "Nothing to be done" in output:
        return {}
    table = output.split("Job stats:")[-1].split("total")[0]
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}
    return {rule: count for rule, count in jobs.items() if rule != "all"}


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Snakemake, running, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *TWO_CORES, *arguments],
        cwd=folder,
        env=os.environ | python_path(folder),
        # A pipe that nobody reads would fill up and stop it.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def scripts_in(folder: Path) -> list[int]:
    """Processes that run a rule's script in a folder, by its name or as forks of the server that has done imports."""
    found = []
    for process in psutil.process_iter():
        try:
            command, parent = process.cmdline(), process.parent()
            forked = parent is not None and FORK_SERVER in " ".join(command) and command == parent.cmdline()
            script = any("/.snakemake/scripts/" in word for word in command[1:3])
            if (script or forked) and Path(process.cwd()) == folder:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
