"""Compare the pre-trained encoder's zero-shot accuracy with the published one; fail if they differ too much."""

from typing import TYPE_CHECKING

from remerge.errors import RemergeError
from remerge.findings.gate import explanation, judge
from remerge.findings.published import read_published, zero_shot_references
from remerge.findings.tables import write_csv
from remerge.run.job import job
from remerge.scoring.scores import read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    references = zero_shot_references(read_published(inputs.published), params.origin, params.architecture)
    verdicts = judge(read_scores(inputs.scores), references, params.tolerance, params.drawn)
    if fault := explanation(verdicts, params.tolerance):
        raise RemergeError(fault)
    write_csv(outputs[0], verdicts)
