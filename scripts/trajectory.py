"""Score AdaMerging's encoders at some of its steps."""

from typing import TYPE_CHECKING

from remerge.checkpoints.experts import load_available, merged_field
from remerge.checkpoints.weights import load_weights
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.merging.coefficients import read_coefficients
from remerge.methods import load
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.scoring.bench import Bench, Variant
from remerge.scoring.curves import with_points
from remerge.scoring.scores import write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    tasks, method = params.tasks, load(params.algorithm)
    available = load_available(tasks, inputs.task_vectors)
    task_vectors = method.preprocess(list(available.values()), **params.merging, folder=".snakemake/remerge")
    pretrained, encoder = load_weights(inputs.pretrained), load_encoder(inputs.pretrained)
    heads, images = load_heads(tasks, inputs.heads), load_image_sets(tasks, inputs.images)
    bench = Bench(encoder, pretrained, heads, {"test": images}, device_for(snakemake.resources), params.scoring)
    history = read_coefficients(inputs.coefficients)
    # Of a whole number of intervals, the last encoder is the method's.
    before = dict(zip(history.steps[-1:], inputs.at_last_step, strict=False))
    steps = [step for step in history.steps if step % params.every == 0 and step not in before]
    merged = (method.merge(task_vectors, history.at(step)) for step in steps)
    variants = (Variant({"step": step}, vector, 1.0) for step, vector in zip(steps, merged, strict=True))
    columns = {"pool": wildcards.pool, "suite": wildcards.suite, "method": wildcards.method}
    scores = with_points(bench.score(variants, total=len(steps)), "step", before)
    write_scores(outputs[0], scores.assign(**columns, **merged_field(list(available), tasks)))
