"""Score the last task's expert on test texts of every task, and the other experts on the last task's."""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.scoring.scores import write_scores
from remerge.scoring.texts import load_models, score_model
from remerge.t5.tokenisers import load_tokeniser
from remerge.texts.store import load_text_sets

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    texts = load_text_sets(params.tasks, inputs.texts)
    tokeniser, device = load_tokeniser(inputs.tokeniser), device_for(snakemake.resources)
    score = partial(score_model, tokeniser=tokeniser, device=device, batch_size=params.batch_size)
    last = wildcards.task
    frames = []
    for expert, path in zip(params.tasks, inputs.encoders, strict=True):
        scored = texts if expert == last else {last: texts[last]}
        frames.append(score(load_models(path), scored).assign(expert=expert))
    write_scores(outputs[0], pd.concat(frames).assign(pool=wildcards.pool, split="test"))
