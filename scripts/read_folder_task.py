"""Write the train, validation and test images of a task that the user keeps in a folder."""

from functools import partial
from typing import TYPE_CHECKING

from remerge.images.preparation import write_split
from remerge.images.store import Description
from remerge.run import provenance
from remerge.run.logs import log_to
from remerge.run.threads import granted
from remerge.tasks.folder import list_folder, stratified

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
params, wildcards, output = snakemake.params, snakemake.wildcards, snakemake.output
threads = granted(snakemake.threads)
splits = list_folder(params.folder, partial(stratified, share=params.validation))
for path, hashes, (split, listing) in zip(output.images, output.hashes, splits.items(), strict=True):
    described = Description(wildcards.task, split, "real")
    write_split(path, described, listing.labels, listing.paths, int(wildcards.size), threads, hashes)
provenance.record(snakemake)
