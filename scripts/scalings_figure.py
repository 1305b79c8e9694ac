"""Draw accuracy against the scaling."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from remerge import provenance
from remerge.figures.scalings import scaling_figure
from remerge.figures.style import looks, save_figure
from remerge.logs import log_to
from remerge.scores import average_accuracy, read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
methods = snakemake.params.methods
sweeps = pd.concat([read_scores(path) for path in snakemake.input.sweeps], ignore_index=True)
scores = pd.concat([read_scores(path) for path in snakemake.input.scores], ignore_index=True)
averages = average_accuracy(scores, ["method"]).set_index("method")["average"]
records = [json.loads(Path(path).read_text(encoding="utf-8")) for path in snakemake.input.records]
published = pd.read_csv(snakemake.input.published)
own = (published["origin"] == snakemake.params.origin) & (published["architecture"] == snakemake.params.architecture)
figure = scaling_figure(
    sweeps,
    {name: averages[name] for name in methods if methods[name]["algorithm"] in ("pretrained", "individual")},
    {record["method"]: record["scaling"] for record in records},
    {name: method["label"] for name, method in methods.items()},
    looks(methods),
    snakemake.params.tasks,
    published[own],
)
save_figure(figure, snakemake.output.svg, snakemake.output.png)
provenance.record(snakemake)
