"""Write the expert-by-task table as CSV, Markdown and LaTeX."""

from typing import TYPE_CHECKING

from remerge.findings.tables import experts_table, experts_table_latex, experts_table_markdown, write_csv, write_text
from remerge.images.audit import contaminated, read_audit
from remerge.run import provenance
from remerge.run.logs import log_to
from remerge.scoring.scores import read_parts

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
flags = contaminated(read_audit(snakemake.input.audit))
table = experts_table(read_parts(snakemake.input.experts), snakemake.params.tasks)
write_csv(snakemake.output.csv, table)
write_text(snakemake.output.markdown, experts_table_markdown(table, flags))
write_text(snakemake.output.latex, experts_table_latex(table, flags))
provenance.record(snakemake)
