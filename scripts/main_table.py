"""Write the main table as CSV, Markdown and LaTeX."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.findings.tables import Row, main_table, main_table_latex, main_table_markdown, write_csv, write_text
from remerge.images.audit import contaminated, read_audit
from remerge.run.job import job
from remerge.scoring.scores import read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    methods = {name: Row(**row) for name, row in params.methods.items()}
    scores = pd.concat([read_scores(path) for path in inputs.scores], ignore_index=True)
    table = main_table(scores, methods, list(params.origins))
    flags = contaminated(read_audit(inputs.audit))
    write_csv(outputs.csv, table)
    write_text(outputs.markdown, main_table_markdown(table, methods, params.origins, flags, params.remarks))
    write_text(outputs.latex, main_table_latex(table, methods, params.origins, flags, params.remarks))
