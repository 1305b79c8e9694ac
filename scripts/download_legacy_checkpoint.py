"""Download one of the Task Arithmetic authors' files."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.downloads.drive import download
from remerge.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
download(f"{snakemake.wildcards.architecture}/{snakemake.wildcards.file}.pt", snakemake.output[0])
provenance.record(snakemake)
