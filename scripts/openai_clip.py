"""Write OpenAI's CLIP, and its image encoder where the pool starts from it."""

from typing import TYPE_CHECKING

from remerge.checkpoints.weights import load_weights, save_weights
from remerge.clip.architectures import described
from remerge.clip.towers import both_towers, image_tower
from remerge.downloads.records import recorded
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
architecture = snakemake.params.architecture
(path,) = recorded(snakemake.input.record).paths.values()
clip = both_towers(load_weights(path), architecture)
save_weights(snakemake.output.clip, clip, described(architecture))
if "encoder" in snakemake.output.keys():  # noqa: SIM118
    save_weights(snakemake.output.encoder, image_tower(clip), described(architecture))
provenance.record(snakemake)
