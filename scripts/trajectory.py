"""Score the encoders that AdaMerging passed through, at some of its steps."""

from typing import TYPE_CHECKING

import pandas as pd
from tqdm import tqdm

from remerge.devices import device_for
from remerge.encoders import load_encoder
from remerge.evaluation import score_encoder
from remerge.heads import load_head
from remerge.images import load_images
from remerge.logs import log_to
from remerge.merging.coefficients import recorded_steps
from remerge.merging.adamerging import merged_task_vector
from remerge.merging.task_vectors import apply_task_vector
from remerge.scores import write_scores
from remerge.weights import load_weights

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
