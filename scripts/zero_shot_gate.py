"""Compare the pre-trained encoder's zero-shot accuracy with the published; fail if it differs too much."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.errors import RemergeError
from remerge.gate import explanation, judge
from remerge.logs import log_to
from remerge.published import read_published, zero_shot_references
from remerge.scores import read_scores
from remerge.tables import write_csv

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
