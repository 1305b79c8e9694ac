"""Corrupt the original test images of a task, then prepare them."""

from typing import TYPE_CHECKING

from remerge.downloads.reading import read_split
from remerge.images.corruptions import Corruption
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
params, wildcards, output = snakemake.params, snakemake.wildcards, snakemake.output
split = read_split(
    params.source,
    wildcards.task,
    "test",
    tuple(params.classes),
    snakemake.input.record,
    params.folder,
    params.test_images,
)
corruption = Corruption(wildcards.corruption, int(wildcards.severity), params.seed)
size = int(wildcards.size)
depends_on = [snakemake.input.record] if snakemake.input.record else []
key = fingerprint_of(
    depends_on, [params.code, wildcards.task, size, params.content, params.test_images, repr(corruption)]
)
kept = KeptImages(f".snakemake/remerge/resume/{output[0]}", key, (size, size, 3))
described = Description(wildcards.task, "test", "real", split.missing)
threads = granted(snakemake.threads)
write_split(output[0], described, split.labels, split.encoded, size, threads, kept=kept, change=corruption)
provenance.record(snakemake)
