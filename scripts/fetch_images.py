"""Download one part of a task's data set, and record which files of which commit."""

from typing import TYPE_CHECKING

from remerge.downloads.records import record
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
params = snakemake.params
record(
    snakemake.output[0],
    params.repository,
    params.files,
    kind="dataset",
    revision=params.revision,
    pin=params.pin,
    may_be_missing=True,
    attempt=params.attempt,
)
provenance.record(snakemake)
