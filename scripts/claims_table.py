"""Write a verdict on every claim of the papers as CSV and Markdown."""

from typing import TYPE_CHECKING

from remerge.findings.claimed_scores import Scores
from remerge.findings.claims import of_run, read_claims
from remerge.findings.claims_tables import claims_markdown, claims_table
from remerge.findings.tables import write_csv, write_text
from remerge.images.audit import contaminated, read_audit
from remerge.methods.measured import read_measured
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    claims = of_run(read_claims(inputs.claims), params.described, read_measured(inputs.measured))
    flags = contaminated(read_audit(inputs.audit))
    scores = Scores.declared(dict(inputs.items()), dict(params.items()))
    table = claims_table(claims, scores, flags, params.architecture, params.origin, params.tasks)
    write_csv(outputs.csv, table)
    write_text(outputs.markdown, claims_markdown(table, len(claims), params.reads))
