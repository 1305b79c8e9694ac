"""Select each expert's score on the task it was fine-tuned on."""

from typing import TYPE_CHECKING

from remerge.run.job import job
from remerge.scoring.scores import read_parts, write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    experts = read_parts(inputs.experts)
    own = experts[(experts["expert"] == experts["task"]) & experts["task"].isin(params.tasks)]
    own = own.drop(columns="expert").assign(pool=wildcards.pool, suite=wildcards.suite, method=wildcards.method)
    write_scores(outputs[0], own)
