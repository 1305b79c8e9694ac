"""Count images that are in two splits."""

from typing import TYPE_CHECKING

from remerge.images.audit import overlaps, read_hashes, write_audit
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
tasks, splits = snakemake.params.tasks, snakemake.params.splits
hashes = iter(map(read_hashes, snakemake.input.hashes))
write_audit(snakemake.output[0], overlaps({task: {split: next(hashes) for split in splits} for task in tasks}))
provenance.record(snakemake)
