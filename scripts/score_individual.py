"""Take each expert's score on its own task."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.logs import log_to
from remerge.scores import read_scores, write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
wildcards = snakemake.wildcards
experts = pd.concat([read_scores(path) for path in snakemake.input.experts], ignore_index=True)
own = experts[experts["expert"] == experts["task"]].drop(columns="expert")
own = own.assign(pool=wildcards.pool, suite=wildcards.suite, method=wildcards.method)
write_scores(snakemake.output[0], own)
