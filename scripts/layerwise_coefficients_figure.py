"""Draw layer-wise merging coefficients."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge import provenance
from remerge.figures.coefficients import layerwise_figure
from remerge.figures.style import save_figure
from remerge.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
histories = map(pd.read_csv, snakemake.input.coefficients)
figure = layerwise_figure(dict(zip(snakemake.params.labels, histories, strict=True)), snakemake.params.tasks)
save_figure(figure, snakemake.output.svg, snakemake.output.png)
provenance.record(snakemake)
