"""Draw accuracy against AdaMerging's step."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge import provenance
from remerge.figures.steps import steps_figure
from remerge.figures.style import looks, save_figure
from remerge.logs import log_to
from remerge.scores import average_accuracy, read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
methods = snakemake.params.methods
trajectories = pd.concat([read_scores(path) for path in snakemake.input.trajectories], ignore_index=True)
scores = pd.concat([read_scores(path) for path in snakemake.input.scores], ignore_index=True)
averages = average_accuracy(scores, ["method"]).set_index("method")["average"]
fixed = [name for name in methods if methods[name]["algorithm"] in ("weight_averaging", "task_arithmetic", "ties")]
figure = steps_figure(
    trajectories,
    {name: averages[name] for name in fixed},
    {name: method["label"] for name, method in methods.items()},
    looks(methods),
)
save_figure(figure, snakemake.output.svg, snakemake.output.png)
provenance.record(snakemake)
