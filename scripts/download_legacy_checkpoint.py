"""Download one of the Task Arithmetic authors' files, and record its id and hash."""

from typing import TYPE_CHECKING

from remerge.downloads.drive import record
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    record(outputs[0], f"{wildcards.architecture}/{wildcards.file}.pt", pin=params.pin)
