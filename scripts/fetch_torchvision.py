"""Have torchvision download a data set, and record its archives."""

from typing import TYPE_CHECKING

from remerge.downloads.archives import record
from remerge.downloads.reading import TORCHVISION_ROOT
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
record(snakemake.output[0], snakemake.wildcards.task, TORCHVISION_ROOT, pin=snakemake.params.pin)
provenance.record(snakemake)
