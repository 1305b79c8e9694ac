"""The context of every script: log, threads, the check of its inputs, and the record of its outputs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from remerge.run import logs, provenance, threads


class Arguments(NamedTuple):
    """What a rule passes to its script, each by position and by name."""

    inputs: Any
    outputs: Any
    params: Any
    wildcards: Any


@contextmanager
def job(snakemake: Any) -> Iterator[Arguments]:
    """Run a script's work with an open log, checked inputs and no more threads than the rule asked for.

    If the work succeeds, the provenance of every output is recorded. If it fails, nothing is recorded, and the log ends
    with the traceback.

    Args:
        snakemake: The object that Snakemake passes to a script; its parameter ``code`` has the script's name and the
            digest of the code behind it.

    Raises:
        RemergeError: An input has changed since it was made. It has been set aside, so that the same command makes it
            again.
    """
    logs.log_to(snakemake.log[0])
    inputs = sorted(set(snakemake.input))
    logs.started(snakemake, inputs, threads.keep_to(snakemake.threads))
    provenance.forget(snakemake.output)
    provenance.refuse_damaged(inputs)
    yield Arguments(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards)
    provenance.record(snakemake)
    logs.ended(snakemake)
