"""List all downloads, with their hashes, in one lock file."""

from typing import TYPE_CHECKING

from remerge.downloads.lock import write_lock
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    write_lock(outputs[0], inputs.records)
