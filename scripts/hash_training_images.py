"""Hash the training images of one of the papers' tasks, for the audit."""

from typing import TYPE_CHECKING

from remerge.downloads.reading import read_split
from remerge.images.preparation import hash_split
from remerge.images.store import HASH_BYTES
from remerge.run import provenance
from remerge.run.logs import log_to
from remerge.run.resume import KeptImages, fingerprint_of
from remerge.run.threads import granted

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
params, wildcards, hashes = snakemake.params, snakemake.wildcards, snakemake.output.hashes
split = read_split(
    *(params.source, wildcards.task, "train", tuple(params.classes)),
    *(snakemake.input.record, params.folder, None),
)
size = int(wildcards.size)
depends_on = [snakemake.input.record] if snakemake.input.record else []
key = fingerprint_of(depends_on, [params.code, wildcards.task, size, params.content])
kept = KeptImages(f".snakemake/remerge/resume/{hashes}", key, (HASH_BYTES,))
name = f"{wildcards.task} train"
hash_split(hashes, name, len(split.labels), split.encoded, size, granted(snakemake.threads), kept)
provenance.record(snakemake)
