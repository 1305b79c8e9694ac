"""Download one of the Task Arithmetic authors' files, and record which."""

from typing import TYPE_CHECKING

from remerge.downloads.drive import record
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
name = f"{snakemake.wildcards.architecture}/{snakemake.wildcards.file}.pt"
record(snakemake.output[0], name, pin=snakemake.params.pin)
provenance.record(snakemake)
