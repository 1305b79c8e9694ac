"""Score one model on test texts of several tasks."""

from typing import TYPE_CHECKING

from remerge.merging.assemblies import MergedFiles
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.scoring.scores import write_scores
from remerge.scoring.texts import load_models, score_model
from remerge.t5.tokenisers import load_tokeniser
from remerge.texts.store import load_text_sets

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    frame = score_model(
        load_models(inputs.encoder),
        load_text_sets(params.tasks, inputs.texts),
        tokeniser=load_tokeniser(inputs.tokeniser),
        device=device_for(snakemake.resources),
        batch_size=params.batch_size,
    )
    write_scores(outputs[0], frame.assign(split="test", **params.columns, **MergedFiles(inputs.encoder).columns))
