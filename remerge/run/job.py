"""What surrounds every script: log, threads, the check of its inputs, and the record of what it made."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from remerge.run import logs, provenance, threads


class Arguments(NamedTuple):
    """What a rule hands to its script, each by position and by name."""

    inputs: Any
    outputs: Any
    params: Any
    wildcards: Any


@contextmanager
def job(snakemake: Any) -> Iterator[Arguments]:
    """Do a script's work with an open log, undamaged inputs and no more threads than the rule asked for.

    Once the work has succeeded, the provenance of every output is recorded. After an error nothing is, and the log ends
    with its traceback.

    Args:
        snakemake: What Snakemake hands to a script; its parameter ``code`` names the script and the digest of the code
            behind it.

    Raises:
        RemergeError: An input is not what was recorded when it was made. It has been set aside, so that the same
            command makes it again.
    """
    logs.log_to(snakemake.log[0])
    inputs = sorted(set(snakemake.input))
    logs.started(snakemake, inputs, threads.keep_to(snakemake.threads))
    provenance.forget(snakemake.output)
    provenance.refuse_damaged(inputs)
    yield Arguments(snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards)
    provenance.record(snakemake)
    logs.ended(snakemake)
