"""Draw sign conflicts."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge import provenance
from remerge.figures.conflicts import conflicts_figure
from remerge.figures.style import save_figure
from remerge.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
save_figure(conflicts_figure(pd.read_csv(snakemake.input.table)), snakemake.output.svg, snakemake.output.png)
provenance.record(snakemake)
