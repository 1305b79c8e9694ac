"""Write the train, validation and test images of a task that the user keeps in a folder."""

from typing import TYPE_CHECKING

from remerge.images import save_images
from remerge.logs import log_to
from remerge.tasks.folder import read_folder

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
params = snakemake.params
splits = read_folder(snakemake.wildcards.task, params.folder, **params.texts, validation=params.validation)
for path, image_set in zip(snakemake.output, splits.values(), strict=True):
    save_images(path, image_set)
