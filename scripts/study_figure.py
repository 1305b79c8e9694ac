"""Draw a study."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge import provenance
from remerge.figures.studies import study_figure
from remerge.figures.style import looks, save_figure
from remerge.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
methods = snakemake.params.methods
labels = {name: method["label"] for name, method in methods.items()}
figure = study_figure(snakemake.params.kind, pd.read_csv(snakemake.input.table), labels, looks(methods))
save_figure(figure, snakemake.output.svg, snakemake.output.png)
provenance.record(snakemake)
