"""Sample test images of each task."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.style import new_figure, tell_absent
from remerge.images.store import ImageSet, load_images

PER_TASK = 12


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    sets = [load_images(path) for path in evidence.files["images"]]
    shown = [each for each in sets if len(each)]
    return tell_absent(samples_figure(shown), [each.task for each in shown], evidence.tasks)


def samples_figure(image_sets: Sequence[ImageSet]) -> Figure:
    """Draw one row of images per task, class by class, and mark which are rendered and which are real.

    Args:
        image_sets: The image sets, one row each.
    """
    figure = new_figure(0.1 + 0.5 * len(image_sets))
    panels = figure.subplots(len(image_sets), 1, squeeze=False)[:, 0]
    for panel, image_set in zip(panels, image_sets, strict=True):
        of_class = [np.flatnonzero(image_set.labels == label) for label in np.unique(image_set.labels)]
        labels = np.arange(PER_TASK) % len(of_class)
        rounds = np.arange(PER_TASK) // len(of_class)
        # A small set repeats images instead of leaving gaps.
        chosen = [of_class[k][r % len(of_class[k])] for k, r in zip(labels, rounds, strict=True)]
        panel.imshow(np.concatenate(image_set.images[chosen], axis=1), interpolation="nearest")
        panel.set_axis_off()
        panel.text(
            -0.01,
            0.5,
            f"{image_set.task}\n({image_set.origin})",
            transform=panel.transAxes,
            ha="right",
            va="center",
            fontsize=7,
        )
    return figure
