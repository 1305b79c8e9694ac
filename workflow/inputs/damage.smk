"""Results that are no longer what was made."""

from remerge.files import remove_leftovers
from remerge.provenance import damaged_results, missing_since_set_aside, set_aside

# What is no longer what was made is used no more. A plan only says so, and beside another run nothing is touched.
if workflow.is_main_process and not any(Path(".snakemake/locks").glob("*")):
    damaged = damaged_results("results")
    for name in damaged:
        logger.warning(
            f"{name}: damaged since made; a run sets it aside and makes it again"
        )
    if not workflow.output_settings.dryrun:
        remove_leftovers("results")
        set_aside(damaged)


def damaged_before(wildcards):
    """Damaged results that this configuration can make again: nothing else would ask for those already used."""
    return [
        name
        for name in missing_since_set_aside("results")
        if any(rule.is_producer(name) for rule in workflow.rules)
    ]
