"""Draw some test images of every task."""

from typing import TYPE_CHECKING

from remerge import provenance
from remerge.figures.samples import samples_figure
from remerge.figures.style import save_figure
from remerge.images import load_images
from remerge.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
figure = samples_figure([each for each in map(load_images, snakemake.input.images) if len(each)])
save_figure(figure, snakemake.output.svg, snakemake.output.png)
provenance.record(snakemake)
