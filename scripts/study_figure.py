"""Draw a study's table."""

from typing import TYPE_CHECKING

from remerge.figures.style import labels, looks, save_figure
from remerge.run.csvs import read_csv
from remerge.run.job import job
from remerge.studies.drawing import study_figure

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    figure = study_figure(params.kind, read_csv(inputs.table), labels(params.methods), looks(params.methods))
    save_figure(figure, outputs.svg, outputs.png)
