"""Write averages beside those published for ViT-B/32, and their rank correlation, as CSV, Markdown and LaTeX."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.findings.claims import AUTHORS
from remerge.findings.fidelity import fidelity
from remerge.findings.fidelity_tables import fidelity_latex, fidelity_markdown
from remerge.findings.over_seeds import by_seed
from remerge.findings.published import averages, read_published
from remerge.findings.regime import ARCHITECTURE, read_standard
from remerge.findings.tables import write_csv, write_text
from remerge.methods.measured import read_measured
from remerge.run.job import job
from remerge.scoring.scores import read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    files = by_seed(inputs.scores, params.seeds)
    scores = {seed: pd.concat(map(read_scores, own), ignore_index=True) for seed, own in files.items()}
    published = averages(read_published(inputs.published), AUTHORS, ARCHITECTURE)
    measured = read_measured(inputs.measured).get(AUTHORS, {})
    may_differ = read_standard(inputs.standard).may_differ
    table, correlation = fidelity(scores, params.methods, params.tasks, measured, may_differ, published)
    labels = {name: method["label"] for name, method in params.methods.items()}
    write_csv(outputs.csv, table)
    write_csv(outputs.correlation, correlation)
    write_text(outputs.markdown, fidelity_markdown(table, correlation, labels, params.tasks))
    write_text(outputs.latex, fidelity_latex(table, correlation, labels, params.tasks))
