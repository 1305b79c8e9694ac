"""Draw the cosine similarity between task vectors."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge import provenance
from remerge.figures.cosine import cosine_figure
from remerge.figures.style import save_figure
from remerge.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
figure = cosine_figure(pd.read_csv(snakemake.input.similarity), snakemake.params.tasks)
save_figure(figure, snakemake.output.svg, snakemake.output.png)
provenance.record(snakemake)
