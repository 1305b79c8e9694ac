"""Pre-train a T5."""

from typing import TYPE_CHECKING

from remerge.checkpoints.weights import save_weights
from remerge.run.devices import device_for
from remerge.run.job import job
from remerge.run.resume import Progress, state_of
from remerge.t5.training import pretrain

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    progress = Progress(*state_of(outputs[0], inputs, [*params, *wildcards]))
    model = pretrain(
        params.architecture,
        seed=params.seed,
        device=device_for(snakemake.resources),
        progress=progress,
        **params.training,
    )
    save_weights(outputs[0], model.state_dict(), {"architecture": params.architecture})
    progress.done()
