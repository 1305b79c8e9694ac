"""A server that runs Snakemake in forks of itself, jobs included: imports, which take most of a small job, happen once.

It reads a request a line (folder, environment, arguments, file for the output), and answers with an exit code.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import sys
import time
from pathlib import Path

from snakemake.cli import main
from snakemake.script import PythonScript

# What every project shares: not remerge, of which each has a copy.
for name in (
    *("snakemake.benchmark", "snakemake.report.html_reporter", "snakemake.storage", "jsonschema", "nbformat", "yte"),
    *("torch", "torchvision", "pandas", "pyarrow.parquet", "pydantic", "scipy.ndimage", "matplotlib.figure"),
):
    importlib.import_module(name)

# One of these reads variables of the environment as it is imported; where there are such, all are imported anew.
OF_THE_HUB = {"huggingface_hub", "open_clip", "timm"}
# Users do not have it, and open_clip would import it.
sys.modules["transformers"] = None  # type: ignore[assignment]
importlib.import_module("open_clip")
del sys.modules["transformers"]

ROOT = Path(__file__).parent.parent
DIGESTS = {f"remerge.run.{name}": f"remerge/run/{name}.py" for name in ("code", "sources")}
sys.path.insert(0, str(ROOT))
# Most of a plan is digests of code. These modules remember them by the code's text, most of which a copy shares.
digests = {name: importlib.import_module(name) for name in DIGESTS}
digests["remerge.run.code"].code_digest(
    [path.relative_to(ROOT) for part in ("remerge", "scripts") for path in (ROOT / part).rglob("*.py")], ROOT
)
sys.path.remove(str(ROOT))
for name in [name for name in sys.modules if name.partition(".")[0] == "remerge"]:
    del sys.modules[name]

# Collections in forks need not go through all of that, nor come as often: a plan is many objects that stay.
gc.freeze()
gc.set_threshold(100_000)


def run_here(script: PythonScript, file: str, edit: bool = False) -> None:
    """Run a job's script as Snakemake wrote it, with its preamble."""
    stderr, path, begun = sys.stderr, sys.path[:], time.monotonic()
    try:
        runpy.run_path(file)
    finally:
        # A job sends the one to its log and, by its preamble, adds the other to itself.
        sys.stderr, sys.path[:] = stderr, path
        if script.bench_record:
            script.bench_record.running_time = time.monotonic() - begun


def run(folder: str, environment: dict[str, str], arguments: list[str], output: str) -> None:
    """Run Snakemake as `python -m snakemake` does in a folder with an environment."""
    written = os.open(output, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(written, stream)
    os.chdir(folder)
    if any(name.startswith("HF_") for name in environment):
        for name in [name for name in sys.modules if name.partition(".")[0] in OF_THE_HUB]:
            del sys.modules[name]
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = ["", *environment["PYTHONPATH"].split(os.pathsep), *sys.path[1:]]
    if all(Path(folder, file).read_bytes() == (ROOT / file).read_bytes() for file in DIGESTS.values()):
        sys.modules.update(digests)
    PythonScript.execute_script = run_here
    # One core leaves nothing for a solver to plan.
    try:
        main(["--cores", "1", "--scheduler", "greedy", *arguments])
    except SystemExit as end:
        # All of the interpreter's end but for a walk through what was imported.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(bool(end.code)))


requests = os.fdopen(os.dup(0))
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
for line in requests:
    process = os.fork()
    if not process:
        run(**json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
os._exit(0)
