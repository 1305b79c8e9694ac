"""Compare the pre-trained encoder's zero-shot accuracy with the published; fail if it differs too much."""

from typing import TYPE_CHECKING

from remerge.errors import RemergeError
from remerge.findings.gate import explanation, judge
from remerge.findings.published import read_published, zero_shot_references
from remerge.findings.tables import write_csv
from remerge.run import provenance
from remerge.run.logs import log_to
from remerge.scoring.scores import read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
params = snakemake.params
references = zero_shot_references(read_published(snakemake.input.published), params.origin, params.architecture)
verdicts = judge(read_scores(snakemake.input.scores), references, params.tolerance, params.drawn)
if fault := explanation(verdicts, params.tolerance):
    raise RemergeError(fault)
write_csv(snakemake.output[0], verdicts)
provenance.record(snakemake)
