"""Write every method's average on nested suites as CSV, Markdown and LaTeX."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.findings.suites import suites_latex, suites_markdown, suites_table
from remerge.findings.tables import Row, write_csv, write_text
from remerge.run.job import job
from remerge.scoring.scores import read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    methods = {name: Row(**row) for name, row in params.methods.items()}
    scores = pd.concat(map(read_scores, inputs.scores), ignore_index=True)
    table = suites_table(scores, methods, params.suites)
    write_csv(outputs.csv, table)
    write_text(outputs.markdown, suites_markdown(table, methods))
    write_text(outputs.latex, suites_latex(table, methods))
