"""Have torchvision download a data set, and record its archives."""

from typing import TYPE_CHECKING

from remerge.downloads.archives import record
from remerge.downloads.reading import TORCHVISION_ROOT
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    record(outputs[0], wildcards.task, TORCHVISION_ROOT, pin=params.pin)
