"""Draw a study."""

from typing import TYPE_CHECKING

from remerge.figures.style import labels, looks, save_figure
from remerge.run import provenance
from remerge.run.csvs import read_csv
from remerge.run.logs import log_to
from remerge.studies.drawing import study_figure

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
methods = snakemake.params.methods
table = read_csv(snakemake.input.table)
figure = study_figure(snakemake.params.kind, table, labels(methods), looks(methods))
save_figure(figure, snakemake.output.svg, snakemake.output.png)
provenance.record(snakemake)
