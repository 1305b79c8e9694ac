"""Snakemake, its jobs one after the other in its own process: imports, which take most of a small job, happen once."""

import runpy
import sys
import time

from snakemake.cli import main
from snakemake.script import PythonScript


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


# As with `python -m snakemake`: the project is the one in the working folder.
sys.path[0] = ""
PythonScript.execute_script = run_here
main(["--cores", "1", *sys.argv[1:]])
