"""Score the last task's expert on test texts of every task, and the other experts on the last task's."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.scoring.scores import write_scores
from remerge.scoring.texts import load_models, score_model
from remerge.texts.store import load_text_sets

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    texts = load_text_sets(params.tasks, inputs.texts)
    device, last = device_for(snakemake.resources), wildcards.task
    frames = []
    for expert, path in zip(params.tasks, inputs.encoders, strict=True):
        scored = texts if expert == last else {last: texts[last]}
        scores = score_model(load_models(path), scored, device=device, batch_size=params.batch_size)
        frames.append(scores.assign(expert=expert))
    write_scores(outputs[0], pd.concat(frames).assign(pool=wildcards.pool, split="test"))
