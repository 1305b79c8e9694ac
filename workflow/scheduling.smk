"""Two faults of Snakemake 9.27's scheduler, avoided when a run starts."""

import signal
from threading import Thread

LIMIT_BY_DEFAULT = (100, 1)  # jobs, seconds


def drop_default_limit():
    """Start jobs as soon as there is room for them, if the user set no limit of jobs per second.

    With a limit, whenever Snakemake looks for jobs to start it plans to look again a second later, and these plans pile
    up. After a hundred jobs, looking takes a third of a core from the jobs. On a cluster the limit stays, for the
    submissions.
    """
    limiter = workflow.scheduler.job_rate_limiter
    if (
        workflow.local_exec
        and limiter
        and (limiter.max_jobs, limiter.timespan) == LIMIT_BY_DEFAULT
    ):
        workflow.scheduler.job_rate_limiter = None


def end_at_sigterm():
    """Finish the running jobs and end at SIGTERM, whatever the scheduler is doing.

    Snakemake's handler takes the lock that the interrupted code may hold, and then waits for it forever. A thread can
    wait.
    """
    exit_gracefully = workflow.scheduler.exit_gracefully
    if signal.getsignal(signal.SIGTERM) == exit_gracefully:
        signal.signal(signal.SIGTERM, lambda *_: Thread(target=exit_gracefully).start())
