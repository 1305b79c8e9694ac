"""Jobs as forks of one process that has imported torch and the like, which takes longer than most jobs' work.

A job remains a process of its own, with its files, log and record. On a cluster, in conda environments and containers,
and on systems other than Linux, every job starts Python anew.
"""

import sys
from multiprocessing import connection, get_context
from subprocess import CalledProcessError
from threading import Lock

from snakemake.benchmark import benchmarked
from snakemake.script import PythonScript

from remerge.run.forked import run_script

forks = get_context("forkserver")
# Nothing of this project, whose files may be edited during a run, and nothing that opens a GPU.
forks.set_forkserver_preload(
    [
        "snakemake.cli",
        "torch",
        "torchvision",
        "open_clip",
        "pandas",
        "matplotlib.figure",
        "pydantic",
        "scipy.ndimage",
    ]
)
# Snakemake runs each job in a thread; starting a process and reading its exit code are not for several at once.
one_at_a_time = Lock()
start_python = PythonScript.execute_script


def fork(script, file, edit=False):
    """Run a job's script as Snakemake does, by a fork where that is possible."""
    if script.conda_env or script.container_img or script.env_modules:
        return start_python(script, file, edit)
    begins, begin = forks.Pipe(duplex=False)
    with one_at_a_time:
        process = forks.Process(target=run_script, args=(file, begins))
        process.start()
    with benchmarked(
        process.pid if script.bench_record else False, script.bench_record
    ):
        begin.send(None)
        connection.wait([process.sentinel])
    with one_at_a_time:
        process.join()
    if process.exitcode:
        raise CalledProcessError(process.exitcode, f"{sys.executable} {file}")


# Tests have a fork of theirs run Snakemake, jobs included.
if (
    workflow.is_main_process
    and sys.platform == "linux"
    and start_python.__module__ == PythonScript.__module__
):
    PythonScript.execute_script = fork
