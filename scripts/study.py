"""Make and score the encoders of one part of a study."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available
from remerge.checkpoints.weights import load_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_head
from remerge.images.store import load_images
from remerge.run import provenance
from remerge.run.devices import device_for
from remerge.run.logs import log_to
from remerge.scoring.scores import write_scores
from remerge.studies.bench import Bench
from remerge.studies.kind import load
from remerge.studies.methods import Merging

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
inputs, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
heads = dict(zip(params.tasks, map(load_head, inputs.heads), strict=True))
images = dict(zip(params.tasks, map(load_images, inputs.images), strict=True))
splits = {"test": images}
if inputs.get("validation"):
    splits["validation"] = dict(zip(params.tasks, map(load_images, inputs.validation), strict=True))
pretrained, encoder = load_weights(inputs.pretrained), load_encoder(inputs.pretrained)
bench = Bench(encoder, pretrained, heads, splits, device_for(snakemake.resources), params.scoring)
task_vectors = load_available(params.tasks, inputs.task_vectors)
merging = Merging(params.methods, bench, params.seed, params.frozen)
scores = bench.score(load(params.kind).variants(task_vectors, merging, **params.study))
columns = {"pool": wildcards.pool, "study": wildcards.study, "part": wildcards.part}
write_scores(snakemake.output[0], scores.assign(**columns), may_be_empty=True)
provenance.record(snakemake)
