"""Write what every method took as CSV and Markdown."""

from typing import TYPE_CHECKING

from tabulate import tabulate

from remerge import provenance
from remerge.cost import cost_table
from remerge.held_out import notes_on
from remerge.logs import log_to
from remerge.tables import write_csv, write_text

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

NOTE = (
    "Seconds: wall time of the jobs that make the encoder, start-up included, other jobs running beside them. Memory: "
    "resident, memory-mapped files included. Task vectors and experts, which all merging needs, are not counted."
)

log_to(snakemake.log[0])
provenance.begin(snakemake)
table = cost_table(snakemake.params.methods, snakemake.input.jobs, snakemake.input.encoders)
write_csv(snakemake.output.csv, table)
headers = ["Method", "Seconds", "Memory (MB)", "Encoder (MB)", "Looks at"]
notes = [NOTE, *notes_on(use for method in snakemake.params.methods.values() for use in method["uses"])]
text = tabulate(table.fillna("–"), headers, tablefmt="github", floatfmt=".1f", showindex=False)
write_text(snakemake.output.markdown, f"{text}\n\n{' '.join(notes)}\n")
provenance.record(snakemake)
