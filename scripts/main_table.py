"""Write the main table as CSV, Markdown and LaTeX."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.findings.tables import Row, main_table, main_table_latex, main_table_markdown, write_csv, write_text
from remerge.images.audit import contaminated, read_audit
from remerge.run import provenance
from remerge.run.logs import log_to
from remerge.scoring.scores import read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
origins = snakemake.params.origins
methods = {name: Row(**row) for name, row in snakemake.params.methods.items()}
scores = pd.concat([read_scores(path) for path in snakemake.input.scores], ignore_index=True)
table = main_table(scores, methods, list(origins))
flags = contaminated(read_audit(snakemake.input.audit))
write_csv(snakemake.output.csv, table)
write_text(snakemake.output.markdown, main_table_markdown(table, methods, origins, flags))
write_text(snakemake.output.latex, main_table_latex(table, methods, origins, flags))
provenance.record(snakemake)
