"""Make and score the encoders of one part of a study."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available
from remerge.checkpoints.weights import load_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.merging.decompositions import with_decompositions
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.scoring.bench import Bench
from remerge.scoring.scores import write_scores
from remerge.studies.kind import load
from remerge.studies.methods import Merging

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    heads = load_heads(params.tasks, inputs.heads)
    images = load_image_sets(params.tasks, inputs.images, params.images)
    splits = {"test": images}
    if inputs.get("validation"):
        splits["validation"] = load_image_sets(params.tasks, inputs.validation, params.images)
    pretrained, encoder = load_weights(inputs.pretrained), load_encoder(inputs.pretrained)
    bench = Bench(encoder, pretrained, heads, splits, device_for(snakemake.resources), params.scoring)
    available = load_available(params.tasks, inputs.task_vectors)
    task_vectors = with_decompositions(available, params.tasks, inputs.svds)
    merging = Merging(params.methods, bench, params.seed, params.frozen_entries, ".snakemake/remerge")
    scores = bench.score(load(params.kind).variants(task_vectors, merging, **params.study))
    columns = {"pool": wildcards.pool, "study": wildcards.study, "part": wildcards.part}
    write_scores(outputs[0], scores.assign(**columns), may_be_empty=True)
