"""Averages over training seeds against the averages published for ViT-B/32."""

from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.fidelity import figure_of


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results over seeds."""
    return figure_of(evidence, "fidelity_over_seeds")
