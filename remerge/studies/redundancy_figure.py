"""Every expert's accuracy against the share of entries kept."""

import pandas as pd
from matplotlib.figure import Figure

from remerge.studies.drawing import Labels, Looks, against_share_kept


def draw(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Draw a line per task, and their average."""
    return against_share_kept(table)
