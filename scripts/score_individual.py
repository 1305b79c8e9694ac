"""Take each expert's score on its own task."""

from typing import TYPE_CHECKING

from remerge.run import provenance
from remerge.run.logs import log_to
from remerge.scoring.scores import read_parts, write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
wildcards = snakemake.wildcards
experts = read_parts(snakemake.input.experts)
own = experts[(experts["expert"] == experts["task"]) & experts["task"].isin(snakemake.params.tasks)]
own = own.drop(columns="expert").assign(pool=wildcards.pool, suite=wildcards.suite, method=wildcards.method)
write_scores(snakemake.output[0], own)
provenance.record(snakemake)
