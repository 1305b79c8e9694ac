"""AdaMerging's final coefficients, one per task and layer."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from remerge.figures.evidence import Evidence
from remerge.figures.style import new_figure, tell_absent


def draw(evidence: Evidence) -> Figure:
    """Draw the figure from a suite's results."""
    histories = evidence.by_label("layerwise_coefficients")
    learned = {task for history in histories.values() for task in history["task"]}
    figure = layerwise_figure(histories, [task for task in evidence.tasks if task in learned])
    return tell_absent(figure, learned, evidence.tasks)


def depth(layer: str) -> tuple[int, int, str]:
    """Sort state-dict keys from input to output: embedding, blocks by number, last norm, projection."""
    if block := re.search(r"resblocks\.(\d+)\.", layer):
        inner = ["ln_1", "attn", "ln_2", "mlp.c_fc", "mlp.c_proj"]
        place = next((i for i, part in enumerate(inner) if part in layer), len(inner))
        return 1, int(block[1]) * 10 + place, layer
    before = ["conv1", "class_embedding", "positional_embedding", "ln_pre"]
    for place, part in enumerate(before):
        if layer.startswith(part):
            return 0, place, layer
    return 2, 0 if layer.startswith("ln_post") else 1, layer


def _section(layer: str) -> str:
    block = re.search(r"resblocks\.(\d+)\.", layer)
    if block:
        return f"block {block[1]}"
    return "input" if depth(layer)[0] == 0 else "output"


def layerwise_figure(histories: Mapping[str, pd.DataFrame], tasks: Sequence[str]) -> Figure:
    """Draw the last coefficients as a heat map of tasks by layers, from input to output, with a panel per method.

    Args:
        histories: Coefficient files (step, task, layer, value) by method label.
        tasks: Tasks in order.
    """
    figure = new_figure(0.7 + len(histories) * (0.75 + 0.16 * len(tasks)))
    panels = figure.subplots(len(histories), 1, squeeze=False)[:, 0]
    top = max(float(history["value"].max()) for history in histories.values())
    for panel, (label, history) in zip(panels, histories.items(), strict=True):
        last = history[history["step"] == history["step"].max()]
        layers = sorted(last["layer"].unique(), key=depth)
        matrix = last.pivot(index="task", columns="layer", values="value").loc[list(tasks), layers]
        image = panel.imshow(matrix, aspect="auto", cmap="viridis", vmin=0, vmax=top, interpolation="nearest")
        sections = np.array([_section(layer) for layer in layers])
        starts = [0, *(np.flatnonzero(sections[1:] != sections[:-1]) + 1)]
        for start in starts[1:]:
            panel.axvline(start - 0.5, color="white", linewidth=1.2)
        ends = [*starts[1:], len(layers)]
        shown = [f"{sections[s]}" for s in starts]
        if len(starts) > 8:
            shown = [text.removeprefix("block ") for text in shown]
        panel.set_xticks([(s + e - 1) / 2 for s, e in zip(starts, ends, strict=True)], shown)
        panel.set_yticks(range(len(tasks)), list(tasks))
        panel.tick_params(length=0)
        panel.grid(visible=False)
        panel.set_title(label)
    panels[-1].set_xlabel("layer (one column per tensor of the encoder)")
    figure.colorbar(image, ax=list(panels), label=r"merging coefficient $\lambda_k^l$", pad=0.01, aspect=40)
    return figure
