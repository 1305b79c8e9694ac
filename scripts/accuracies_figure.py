"""Draw every method's accuracy on every task."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge import provenance
from remerge.figures.accuracies import accuracies_figure
from remerge.figures.style import looks, save_figure
from remerge.logs import log_to
from remerge.scores import read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
methods = snakemake.params.methods
scores = pd.concat([read_scores(path) for path in snakemake.input.scores], ignore_index=True)
labels = {name: method["label"] for name, method in methods.items()}
figure = accuracies_figure(scores, labels, looks(methods), snakemake.params.tasks)
save_figure(figure, snakemake.output.svg, snakemake.output.png)
provenance.record(snakemake)
