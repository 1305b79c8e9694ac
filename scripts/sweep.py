"""Score one merged task vector at every scaling of a grid."""

from typing import TYPE_CHECKING

from remerge.checkpoints.headers import merged_of
from remerge.checkpoints.weights import load_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.scoring.bench import Bench, Variant
from remerge.scoring.curves import with_points
from remerge.scoring.scores import write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    pretrained, encoder = load_weights(inputs.pretrained), load_encoder(inputs.pretrained)
    heads, images = load_heads(params.tasks, inputs.heads), load_image_sets(params.tasks, inputs.images)
    device = device_for(snakemake.resources)
    bench = Bench(encoder, pretrained, heads, {wildcards.split: images}, device, params.scoring)
    task_vector = load_weights(inputs.task_vector)
    before = dict(zip([0.0], inputs.at_zero, strict=False))
    variants = [Variant({"scaling": by}, task_vector, by) for by in params.grid if by not in before]
    scores = with_points(bench.score(variants), "scaling", before)
    write_scores(outputs[0], scores.assign(**wildcards, **merged_of(inputs.task_vector)))
