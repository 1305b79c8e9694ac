"""What studies show, drawn from their tables."""

from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from remerge.figures.style import Look, new_figure

Labels = Mapping[str, str]
Looks = Mapping[str, Look]


def study_figure(kind: str, table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Draw a study's table (:func:`remerge.studies.tables.study_table`).

    Args:
        kind: What kind of study it is.
        table: Its table.
        labels: Methods' names for people.
        looks: Methods' looks.
    """
    if table.empty:
        figure = new_figure(1.0, 4.5)
        figure.suptitle("Nothing to show: too few tasks have images", fontsize=8)
        return figure
    figure = _FIGURES[kind](table.drop(columns="scored", errors="ignore"), labels, looks)
    if "scored" in table:
        figure.suptitle(f"{table['scored'].iloc[0]} tasks have images", fontsize=7)
    return figure


def _conditions(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """One group per kind of images, one marker per method."""
    figure = new_figure(2.9)
    axes = figure.subplots()
    images = list(dict.fromkeys(table["images"]))
    methods = list(dict.fromkeys(table["method"]))
    for index, method in enumerate(methods):
        own = table[table["method"] == method].set_index("images")["average"]
        _markers(axes, [own[name] for name in images], index, len(methods), labels[method], looks[method])
    _groups(axes, [name.replace("_", " ") for name in images])
    axes.set_ylabel("average accuracy (%)")
    return figure


def _seen_and_unseen(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Seen and unseen averages of every split; a line where the pre-trained encoder is on the unseen tasks."""
    splits = list(dict.fromkeys(table["part"]))
    figure = new_figure(2.7)
    panels = figure.subplots(1, len(splits), sharey=True, squeeze=False)[0]
    methods = list(dict.fromkeys(table["method"]))
    for panel, split in zip(panels, splits, strict=True):
        own = table[table["part"] == split].set_index("method")
        averages = own.reindex(methods)
        for index, method in enumerate(methods):
            values = [averages["seen average"][method], averages["unseen average"][method]]
            _markers(panel, values, index, len(methods), labels[method], looks[method])
        level = own["unseen, pretrained"].iloc[0]
        if level == level:
            panel.plot([0.55, 1.45], [level, level], color="0.4", linestyle=":", label="Pretrained, unseen tasks")
        panel.set_title(f"unseen: {own['unseen'].iloc[0]}")
        _groups(panel, ["merged tasks", "unseen tasks"], turned=False)
    panels[0].set_ylabel("average accuracy (%)")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure


def _counts(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Normalised accuracy against the number of tasks, the spread over subsets as a band."""
    figure = new_figure(2.7, 4.5)
    axes = figure.subplots()
    for method, own in table.groupby("method", sort=False):
        look = looks[str(method)]
        axes.plot(own["tasks"], own["normalised"], marker=look.marker, label=labels[str(method)], **look.line())
        axes.fill_between(own["tasks"], own["lowest"], own["highest"], color=look.color, alpha=0.15, linewidth=0)
    axes.set(xlabel="tasks merged", ylabel="normalised accuracy (%)")
    axes.legend()
    return figure


def _shares(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Accuracy against the share of entries kept: each task thin, the average thick."""
    figure = new_figure(2.7, 4.5)
    axes = figure.subplots()
    share = 100 * table["keep"]
    tasks = [column for column in table if column not in ("keep", "average")]
    for task in tasks:
        axes.plot(share, table[task], color="0.7", linewidth=0.8)
    span = table[tasks].to_numpy().max() - table[tasks].to_numpy().min()
    level = float("-inf")
    # From below, each as near to its line's end as the one under it leaves room.
    for task in sorted(tasks, key=lambda name: float(table[name].iloc[-1])):
        level = max(float(table[task].iloc[-1]), level + 0.045 * span)
        axes.annotate(task, (share.iloc[-1], level), xytext=(4, 0), textcoords="offset points", fontsize=6, va="center")
    axes.plot(share, table["average"], color="black", marker="o", label="average")
    axes.set(xlabel="entries kept (%)", ylabel="accuracy (%)", xlim=(0, None))
    axes.legend()
    return figure


def _ablation(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Points from TIES, step by step."""
    figure = new_figure(1.8, 4.5)
    axes = figure.subplots()
    rows = table.iloc[1:][::-1]
    axes.barh(rows["variant"], rows["difference"], color="0.6", edgecolor="black", height=0.6)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"points from TIES ({table['average'].iloc[0]:.1f} %)")
    return figure


def _pairs(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """How much of their experts' accuracy each two tasks keep together."""
    tasks = list(dict.fromkeys(task for pair in table["merged"] for task in pair.split("+")))
    place = {task: index for index, task in enumerate(tasks)}
    cells = [[float("nan")] * len(tasks) for _ in tasks]
    for pair, value in zip(table["merged"], table["normalised"], strict=True):
        one, other = pair.split("+")
        cells[place[other]][place[one]] = value
    figure = new_figure(3.6, 4.5)
    axes = figure.subplots()
    low = float(table["normalised"].min()) if table["normalised"].notna().any() else 0.0
    image = axes.imshow(cells, cmap="cividis", vmin=low, vmax=100)
    axes.grid(visible=False)
    for row, values in enumerate(cells):
        for column, value in enumerate(values):
            if value == value:
                color = "white" if value < low + 0.6 * (100 - low) else "black"
                axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=color, fontsize=7)
    axes.set_xticks(range(len(tasks)), tasks, rotation=45, ha="right")
    axes.set_yticks(range(len(tasks)), tasks)
    figure.colorbar(image, label="normalised accuracy (%)")
    return figure


def _negation(table: pd.DataFrame, labels: Labels, looks: Looks) -> Figure:
    """Accuracy before and after forgetting, on the task and on its control."""
    figure = new_figure(2.7)
    panels = figure.subplots(1, 2, sharey=True)
    for panel, role in zip(panels, ("target", "control"), strict=True):
        for index, row in enumerate(table.to_dict("records")):
            before, after = row[f"{role} before"], row[f"{role} after"]
            panel.plot([index, index], [before, after], color="0.7", zorder=1)
            panel.plot(
                index, before, "o", color="black", markerfacecolor="white", label="before" if not index else None
            )
            panel.plot(index, after, "o", color="black", label="after" if not index else None)
        _groups(panel, list(table["task" if role == "target" else "control"]), named=role == "control")
        panel.set_title("the task to forget" if role == "target" else "its control")
    panels[0].set_ylabel("accuracy (%)")
    return figure


def _markers(axes: Axes, values: list[float], index: int, of: int, label: str, look: Look) -> None:
    """One marker in each group, methods side by side."""
    across = [group + (index - (of - 1) / 2) * 0.7 / of for group in range(len(values))]
    axes.plot(across, values, linestyle="none", marker=look.marker, color=look.color, markersize=5, label=label)


def _groups(axes: Axes, names: list[str], *, turned: bool = True, named: bool = True) -> None:
    axes.set_xticks(range(len(names)), names, rotation=30 if turned else 0, ha="right" if turned else "center")
    axes.grid(visible=False, axis="x")
    handles, _ = axes.get_legend_handles_labels()
    if len(handles) > 1 and turned and named:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


_FIGURES: dict[str, Callable[[pd.DataFrame, Labels, Looks], Figure]] = {
    "robustness": _conditions,
    "generalisation": _seen_and_unseen,
    "task_counts": _counts,
    "ties_density": _shares,
    "redundancy": _shares,
    "ties_ablation": _ablation,
    "pairs": _pairs,
    "negation": _negation,
}
