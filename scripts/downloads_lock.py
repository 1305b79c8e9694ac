"""Write everything that was downloaded to one lock file."""

from typing import TYPE_CHECKING

from remerge.downloads.lock import write_lock
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
write_lock(snakemake.output[0], snakemake.input.records)
provenance.record(snakemake)
