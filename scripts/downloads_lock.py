"""Write what was downloaded from the Hub, at which commits, to one lock file."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.downloads.pins import write_lock
from remerge.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
write_lock(snakemake.output[0], snakemake.input.records)
provenance.record(snakemake)
