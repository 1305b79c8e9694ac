"""Write facts of the checkpoints beside ViT-B/32's as CSV and Markdown."""

from typing import TYPE_CHECKING

from remerge.findings.claims import AUTHORS
from remerge.findings.over_seeds import scores_by_seed
from remerge.findings.published import averages, curves, read_published
from remerge.findings.regime import ARCHITECTURE, of_run, read_standard, regime_markdown, regime_table
from remerge.findings.tables import write_csv, write_text
from remerge.methods.measured import read_measured
from remerge.run.csvs import read_csv
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    standard = read_standard(inputs.standard)
    measured = read_measured(inputs.measured).get(AUTHORS, {})
    fitted = of_run(standard.regime, params.described, measured, standard.may_differ)
    scores = scores_by_seed(dict(inputs.items()), dict(params.items()))
    cosines = dict(zip(scores, map(read_csv, inputs.cosine), strict=True))
    published = averages(read_published(inputs.published), AUTHORS, ARCHITECTURE)
    table = regime_table(
        standard.regime, fitted, scores, cosines, published, curves(inputs.curves, AUTHORS, ARCHITECTURE)
    )
    write_csv(outputs.csv, table)
    write_text(outputs.markdown, regime_markdown(table))
