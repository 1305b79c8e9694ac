"""Draw a figure."""

import importlib
from typing import TYPE_CHECKING

from remerge.figures.evidence import Evidence
from remerge.figures.style import save_figure
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    evidence = Evidence(
        files=dict(inputs.items()),
        tasks=params.tasks,
        methods=params.methods,
        origin=params.origin,
        architecture=params.architecture,
    )
    figure = importlib.import_module(f"remerge.figures.{wildcards.figure}").draw(evidence)
    save_figure(figure, outputs.svg, outputs.png)
