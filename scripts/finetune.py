"""Fine-tune the image encoder on one task."""

from typing import TYPE_CHECKING

from remerge.devices import device_for
from remerge.encoders import load_encoder
from remerge.heads import load_head
from remerge.images import load_images
from remerge.logs import log_to
from remerge.training import finetune
from remerge.weights import read_metadata, save_weights

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
expert = finetune(
    load_encoder(snakemake.input.pretrained),
    load_head(snakemake.input.head),
    load_images(snakemake.input.images),
    seed=snakemake.params.pool["seed"],
    device=device_for(snakemake.resources.get("gpu", 0)),
    **snakemake.params.training,
)
metadata = read_metadata(snakemake.input.pretrained) | {"task": snakemake.wildcards.task}
save_weights(snakemake.output[0], expert.state_dict(), metadata)
