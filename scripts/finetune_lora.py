"""Fine-tune a T5 on one task with LoRA."""

from typing import TYPE_CHECKING

from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import save_weights
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.run.resume import Progress, state_of
from remerge.t5.models import load_t5
from remerge.t5.training import finetune
from remerge.texts.store import load_texts

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    progress = Progress(*state_of(outputs[0], inputs, [*params, *wildcards]))
    expert = finetune(
        load_t5(inputs.pretrained),
        load_texts(inputs.texts),
        wildcards.task,
        seed=params.seed,
        device=device_for(snakemake.resources),
        progress=progress,
        **params.training,
    )
    save_weights(outputs[0], expert.state_dict(), read_metadata(inputs.pretrained) | {"task": wildcards.task})
    progress.done()
