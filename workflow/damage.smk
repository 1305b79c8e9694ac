"""Handling of damaged results, which have changed since they were made."""

from remerge.run.atomic import remove_leftovers
from remerge.run.provenance import (
    damaged_results,
    is_damaged,
    missing_since_set_aside,
    redate,
    set_aside,
    untouched,
)


def locked():
    """Whether another run may be making something."""
    return any(Path(".snakemake/locks").glob("*"))


# Reading the workflow, which every command does, only says so.
damaged = []
if workflow.is_main_process and not locked():
    damaged = damaged_results("results")
for name in damaged:
    logger.warning(
        f"{name}: damaged since made; a run sets it aside and makes it again"
    )

plan_jobs = workflow._build_dag


def mend_and_plan_jobs():
    """Set damaged results aside, in real runs only, before jobs are planned, so that they are made again."""
    # Only what executes jobs has an executor; --lint, --summary, --dag, --report and --unlock have none.
    runs = workflow.executor_plugin and not workflow.dryrun and not workflow.touch
    if runs and workflow.is_main_process and not locked():
        # Another run may have made it again since.
        set_aside(filter(is_damaged, damaged))
        remove_leftovers("results")
    plan_jobs()
    keep_dates(workflow.dag)


def keep_dates(dag):
    """Have records follow when Snakemake touches what a job has made; else every command would read all results."""
    touch_outputs = dag.check_and_touch_output

    async def touch_outputs_and_redate(job, *arguments, **given):
        whole = untouched(job.output)
        await touch_outputs(job, *arguments, **given)
        redate(whole)

    dag.check_and_touch_output = touch_outputs_and_redate


# Snakemake's own hook, onstart, comes after the jobs are planned.
workflow._build_dag = mend_and_plan_jobs


def damaged_before(wildcards):
    """Damaged results that this configuration can make again: nothing else would ask for those already used."""
    return [
        name
        for name in missing_since_set_aside("results")
        if any(rule.is_producer(name) for rule in workflow.rules)
    ]
