"""Download one part of a task's data set, and record which files of which commit."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.downloads.pins import check_record, revision_of
from remerge.downloads.records import record
from remerge.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
params = snakemake.params
pattern = f"{params.folder}/{snakemake.wildcards.part}-*.parquet"
record(
    snakemake.output[0],
    params.repository,
    [pattern],
    kind="dataset",
    revision=revision_of(params.pin, params.revision),
    may_be_missing=True,
    attempt=params.attempt,
)
check_record(snakemake.output[0], params.pin)
provenance.record(snakemake)
