"""Score one merged task vector at every scaling of a grid, on texts."""

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from remerge.checkpoints.weights import load_weights
from remerge.merging.task_vectors import apply_task_vector
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.scoring.curves import with_points
from remerge.scoring.scores import write_scores
from remerge.scoring.texts import score_model
from remerge.t5.models import load_t5
from remerge.t5.tokenisers import load_tokeniser
from remerge.texts.store import load_text_sets

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    tokeniser, device = load_tokeniser(inputs.tokeniser), device_for(snakemake.resources)
    score = partial(score_model, tokeniser=tokeniser, device=device, batch_size=params.batch_size, progress=False)
    model = load_t5(inputs.pretrained)
    pretrained, task_vector = load_weights(inputs.pretrained), load_weights(inputs.task_vector)
    texts = load_text_sets(params.tasks, inputs.texts)
    before = dict(zip([0.0], inputs.at_zero, strict=False))
    frames = []
    for scaling in (each for each in params.grid if each not in before):
        model.load_state_dict(apply_task_vector(pretrained, task_vector, scaling))
        frames.append(score(lambda task: model, texts).assign(scaling=scaling))
    write_scores(outputs[0], with_points(pd.concat(frames), "scaling", before).assign(**wildcards))
