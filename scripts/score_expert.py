"""Score the last task's expert on test images of every task, and the other experts on the last task's."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.checkpoints.experts import why_absent
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_heads
from remerge.images.store import load_image_sets
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.scoring.coverage import tasks_with_images
from remerge.scoring.evaluation import same_for_all, score_encoder
from remerge.scoring.scores import NO_SCORES, write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    heads = load_heads(params.tasks, inputs.heads)
    images = load_image_sets(params.tasks, inputs.images)
    device = device_for(snakemake.resources)
    last = wildcards.task
    frames = []
    for expert, path in zip(params.tasks, inputs.encoders, strict=True):
        scored = images if expert == last else {last: images[last]}
        if not why_absent(path) and tasks_with_images(scored):
            encoder_for = same_for_all(load_encoder(path))
            scores = score_encoder(encoder_for, heads, scored, device=device, answers=True, **params.scoring)
            frames.append(scores.assign(expert=expert))
    found = pd.concat(frames) if frames else pd.DataFrame(columns=[*NO_SCORES, "expert"])
    columns = {"pool": wildcards.pool, "split": "test"}
    write_scores(outputs[0], found.assign(**columns), may_be_empty=True)
