"""Write what every method took as CSV and Markdown."""

from typing import TYPE_CHECKING

from tabulate import tabulate

from remerge.findings.cost import cost_table
from remerge.findings.tables import write_csv, write_text
from remerge.run.job import job
from remerge.run.markup import MARKDOWN
from remerge.scoring.held_out import notes_on

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

NOTE = (
    "Seconds: wall time of the jobs that make the encoder, start-up included, other jobs running beside them. Memory: "
    "resident, memory-mapped files included. Task vectors and experts, which all merging needs, are not counted."
)

with job(snakemake) as (inputs, outputs, params, wildcards):
    jobs = list(zip(params.made_by_jobs, inputs.jobs, strict=True))
    encoders = dict(zip(params.made, inputs.encoders, strict=True))
    table = cost_table(params.methods, jobs, encoders)
    write_csv(outputs.csv, table)
    headers = ["Method", "Seconds", "Memory (MB)", "Encoder (MB)", "Looks at"]
    shown = table.assign(method=table["method"].map(MARKDOWN.plain)).fillna("–")
    text = tabulate(shown, headers, tablefmt="github", floatfmt=".1f", showindex=False, disable_numparse=[0])
    notes = [NOTE, *notes_on(use for method in params.methods.values() for use in method["uses"])]
    write_text(outputs.markdown, f"{text}\n\n{' '.join(notes)}\n")
