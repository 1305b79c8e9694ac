"""Prepare one split of one of the papers' tasks."""

import sys
from typing import TYPE_CHECKING

from remerge.downloads.reading import read_split
from remerge.images.preparation import write_split
from remerge.images.store import Description
from remerge.run import provenance
from remerge.run.logs import log_to
from remerge.run.resume import KeptImages, fingerprint_of
from remerge.run.threads import granted

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
params, wildcards = snakemake.params, snakemake.wildcards
split = read_split(
    params.source,
    wildcards.task,
    wildcards.split,
    tuple(params.classes),
    snakemake.input.record,
    params.folder,
    params.test_images,
)
if split.missing:
    print(f"WARNING: {wildcards.task} is left out of every average: {split.missing}", file=sys.stderr)
size = int(wildcards.size)
depends_on = [snakemake.input.record] if snakemake.input.record else []
key = fingerprint_of(
    depends_on, [params.code, wildcards.task, wildcards.split, size, params.content, params.test_images]
)
kept = KeptImages(f".snakemake/remerge/resume/{snakemake.output.images}", key, (size, size, 3))
described = Description(wildcards.task, wildcards.split, "real", split.missing)
write_split(
    snakemake.output.images,
    described,
    split.labels,
    split.encoded,
    size,
    granted(snakemake.threads),
    snakemake.output.hashes,
    kept,
)
provenance.record(snakemake)
