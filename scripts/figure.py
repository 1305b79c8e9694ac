"""Draw a figure."""

import importlib
from typing import TYPE_CHECKING

from remerge.figures.evidence import Evidence
from remerge.figures.style import save_figure
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
evidence = Evidence(
    files=dict(snakemake.input.items()),
    tasks=snakemake.params.tasks,
    methods=snakemake.params.methods,
    origin=snakemake.params.origin,
    architecture=snakemake.params.architecture,
)
figure = importlib.import_module(f"remerge.figures.{snakemake.wildcards.figure}").draw(evidence)
save_figure(figure, snakemake.output.svg, snakemake.output.png)
provenance.record(snakemake)
