"""Write the cosine similarity of each two task vectors."""

from itertools import product
from typing import TYPE_CHECKING

import pandas as pd

from remerge import provenance
from remerge.files import atomic_path
from remerge.logs import log_to
from remerge.merging.task_vectors import cosine_similarity
from remerge.weights import load_weights

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
similarity = cosine_similarity([load_weights(path) for path in snakemake.input.task_vectors])
tasks = snakemake.params.tasks
rows = [(a, b, similarity[i][j]) for (i, a), (j, b) in product(enumerate(tasks), repeat=2)]
with atomic_path(snakemake.output[0]) as path:
    pd.DataFrame(rows, columns=["task_a", "task_b", "cosine"]).to_csv(path, index=False, float_format="%.6f")
provenance.record(snakemake)
