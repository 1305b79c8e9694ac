"""Download a task's texts, and record their commit and hashes."""

from typing import TYPE_CHECKING

from remerge.downloads.records import record
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    record(outputs[0], params.repository, params.files, kind="dataset", revision=None, pin=params.pin)
