"""Score the last task's expert on test images of every task, and the other experts on the last task's."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.checkpoints.experts import why_absent
from remerge.clip.encoders import load_encoder
from remerge.clip.heads import load_head
from remerge.images.store import load_images
from remerge.run import provenance
from remerge.run.devices import device_for
from remerge.run.logs import log_to
from remerge.scoring.coverage import tasks_with_images
from remerge.scoring.evaluation import score_encoder
from remerge.scoring.scores import NO_SCORES, write_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
inputs, params = snakemake.input, snakemake.params
heads = dict(zip(params.tasks, map(load_head, inputs.heads), strict=True))
images = dict(zip(params.tasks, map(load_images, inputs.images), strict=True))
device = device_for(snakemake.resources)
last = snakemake.wildcards.task
frames = []
for expert, path in zip(params.tasks, inputs.encoders, strict=True):
    scored = images if expert == last else {last: images[last]}
    if not why_absent(path) and tasks_with_images(scored):
        scores = score_encoder(load_encoder(path), heads, scored, device=device, answers=True, **params.scoring)
        frames.append(scores.assign(expert=expert))
found = pd.concat(frames) if frames else pd.DataFrame(columns=[*NO_SCORES, "expert"])
columns = {"pool": snakemake.wildcards.pool, "split": "test"}
write_scores(snakemake.output[0], found.assign(**columns), may_be_empty=True)
provenance.record(snakemake)
