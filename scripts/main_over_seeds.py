"""Write every method's average over several training seeds as CSV and Markdown."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.findings.over_seeds import by_seed, main_over_seeds, main_over_seeds_markdown
from remerge.findings.tables import Row, write_csv, write_text
from remerge.run.job import job
from remerge.scoring.scores import read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    methods = {name: Row(**row) for name, row in params.methods.items()}
    files = by_seed(inputs.scores, params.seeds)
    scores = {seed: pd.concat(map(read_scores, own), ignore_index=True) for seed, own in files.items()}
    table = main_over_seeds(scores, methods, params.tasks)
    write_csv(outputs.csv, table)
    text = main_over_seeds_markdown(table, list(scores), len(params.tasks), params.seeded)
    write_text(outputs.markdown, text)
