"""No limit of jobs per second on this machine: it makes Snakemake 9.27 look for jobs ever more often.

With a limit, whenever Snakemake looks for jobs to start it plans to look again a second later, and these plans pile up.
After a hundred jobs, looking takes a third of a core from the jobs. On a cluster the limit stays, for the submissions.
"""

LIMIT_BY_DEFAULT = (100, 1)  # jobs, seconds


def drop_default_limit():
    """Start jobs as soon as there is room for them, if the user set no limit of jobs per second."""
    limiter = workflow.scheduler.job_rate_limiter
    if (
        workflow.local_exec
        and limiter
        and (limiter.max_jobs, limiter.timespan) == LIMIT_BY_DEFAULT
    ):
        workflow.scheduler.job_rate_limiter = None
