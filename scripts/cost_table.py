"""Write the cost of every method as CSV and Markdown."""

from typing import TYPE_CHECKING

from remerge.findings.cost import cost_table, cost_table_markdown
from remerge.findings.tables import write_csv, write_text
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    jobs = list(zip(params.made_by_jobs, inputs.jobs, strict=True))
    results = dict(zip(params.made, inputs.encoders, strict=True))
    table = cost_table(params.methods, jobs, results)
    write_csv(outputs.csv, table)
    write_text(outputs.markdown, cost_table_markdown(table))
