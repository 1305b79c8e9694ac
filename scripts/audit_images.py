"""Count images that are in two splits."""

from typing import TYPE_CHECKING

from remerge.images.audit import overlaps, read_hashes, write_audit
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    hashes = iter(map(read_hashes, inputs.hashes))
    by_task = {task: {split: next(hashes) for split in params.splits} for task in params.tasks}
    write_audit(outputs[0], overlaps(by_task))
