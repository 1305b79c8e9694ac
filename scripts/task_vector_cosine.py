"""Write the cosine similarity of every pair of task vectors."""

from itertools import product
from typing import TYPE_CHECKING

import pandas as pd

from remerge.checkpoints.experts import load_available
from remerge.merging.task_vectors import cosine_similarity
from remerge.run.atomic import atomic_path
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    task_vectors = load_available(params.tasks, inputs.task_vectors)
    similarity = cosine_similarity(list(task_vectors.values()))
    rows = [(a, b, similarity[i][j]) for (i, a), (j, b) in product(enumerate(task_vectors), repeat=2)]
    with atomic_path(outputs[0]) as path:
        pd.DataFrame(rows, columns=["task_a", "task_b", "cosine"]).to_csv(path, index=False, float_format="%.6f")
