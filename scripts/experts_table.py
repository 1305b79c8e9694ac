"""Write the expert-by-task table as CSV, Markdown and LaTeX."""

from typing import TYPE_CHECKING

from remerge.findings.tables import experts_table, experts_table_latex, experts_table_markdown, write_csv, write_text
from remerge.images.audit import contaminated, read_audit
from remerge.run.job import job
from remerge.scoring.scores import read_parts

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    flags = contaminated(read_audit(inputs.audit))
    table = experts_table(read_parts(inputs.experts), params.tasks)
    write_csv(outputs.csv, table)
    write_text(outputs.markdown, experts_table_markdown(table, flags, params.remarks))
    write_text(outputs.latex, experts_table_latex(table, flags, params.remarks))
