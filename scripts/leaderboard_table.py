"""Write the leaderboard as CSV, Markdown and LaTeX."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.findings.leaderboard import leaderboard, leaderboard_latex, leaderboard_markdown, published_columns
from remerge.findings.published import read_published
from remerge.findings.regime import read_standard
from remerge.findings.tables import Row, main_table, write_csv, write_text
from remerge.methods.measured import read_measured
from remerge.run.csvs import read_csv
from remerge.run.job import job
from remerge.scoring.scores import read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    methods = {name: Row(**row) for name, row in params.methods.items()}
    scores = main_table(pd.concat(map(read_scores, inputs.scores), ignore_index=True), methods, params.tasks)
    may_differ = read_standard(inputs.standard).may_differ
    measured = read_measured(inputs.measured)
    published = published_columns(read_published(inputs.published), measured, params.described, may_differ)
    table = leaderboard(scores, methods, read_csv(inputs.costs), published)
    write_csv(outputs.csv, table)
    write_text(outputs.markdown, leaderboard_markdown(table, scores, params.tasks))
    write_text(outputs.latex, leaderboard_latex(table, scores, params.tasks))
