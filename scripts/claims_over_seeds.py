"""Write a verdict on every claim of the papers over several training seeds as CSV and Markdown."""

from typing import TYPE_CHECKING

from remerge.findings.claims import of_run, read_claims
from remerge.findings.over_seeds import claims_over_seeds, claims_over_seeds_markdown, scores_by_seed
from remerge.findings.tables import write_csv, write_text
from remerge.images.audit import contaminated, read_audit
from remerge.methods.measured import read_measured
from remerge.run.csvs import read_csv
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    claims = of_run(read_claims(inputs.claims), params.described, read_measured(inputs.measured))
    flags = contaminated(read_audit(inputs.audit))
    scores = scores_by_seed(dict(inputs.items()), dict(params.items()))
    verdicts = {seed: read_csv(path, ["id"]) for seed, path in zip(scores, inputs.verdicts, strict=True)}
    table = claims_over_seeds(claims, scores, verdicts, flags, params.architecture, params.origin, params.tasks)
    write_csv(outputs.csv, table)
    write_text(outputs.markdown, claims_over_seeds_markdown(table, list(scores), len(claims), params.seeded))
