"""AdaMerging's coefficients: their way over the steps, and where in the network they end."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from remerge.figures.style import new_figure

_LINES = ("-", "--", "-.", ":")
_COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#7F7F7F")


def taskwise_figure(histories: Mapping[str, pd.DataFrame], tasks: Sequence[str]) -> Figure:
    """Draw each task's coefficient against the step, a panel per method.

    Args:
        histories: Coefficient files (step, task, layer, value) by method label.
        tasks: Tasks in order.
    """
    figure = new_figure(2.6)
    panels = figure.subplots(1, len(histories), sharey=True, squeeze=False)[0]
    styles: dict[str, dict[str, Any]] = {
        task: {"color": _COLORS[i % len(_COLORS)], "linestyle": _LINES[(i + i // len(_COLORS)) % len(_LINES)]}
        for i, task in enumerate(tasks)
    }
    for panel, (label, history) in zip(panels, histories.items(), strict=True):
        for task in tasks:
            own = history[history["task"] == task]
            panel.plot(own["step"], own["value"], **styles[task])
        panel.set(title=label, xlabel="AdaMerging step")
    panels[0].set_ylabel(r"merging coefficient $\lambda_k$")
    handles = [Line2D([], [], label=task, **styles[task]) for task in tasks]
    figure.legend(handles=handles, loc="outside right center")
    return figure


def depth(layer: str) -> tuple[int, int, str]:
    """Order state-dict keys as an image passes them: embedding, blocks by number, last norm, projection."""
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
    """Draw the last coefficients as a heat map, tasks by layers from input to output, a panel per method.

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
