"""Draw every task at once."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge import provenance
from remerge.figures.radar import radar_figure
from remerge.figures.style import looks, save_figure
from remerge.logs import log_to
from remerge.scores import read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
methods = snakemake.params.methods
scores = pd.concat([read_scores(path) for path in snakemake.input.scores], ignore_index=True)
(experts,) = [name for name, method in methods.items() if method["algorithm"] == "individual"]
# One of each kind: more polygons than that hide each other.
first = {(m["algorithm"], m.get("granularity")): name for name, m in reversed(methods.items()) if name != experts}
labels = {name: method["label"] for name, method in methods.items() if name in first.values()}
figure = radar_figure(scores, experts, labels, looks(methods), snakemake.params.tasks)
save_figure(figure, snakemake.output.svg, snakemake.output.png)
provenance.record(snakemake)
