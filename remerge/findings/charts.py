"""Figures to look into, as Vega-Lite specifications: values under the pointer, methods that can be switched off.

They show the numbers of the figures of the same name, which stay as they are for papers. The page draws them with the
Vega libraries that it carries.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from remerge.figures.style import Look, looks
from remerge.findings.section import Section
from remerge.scoring.scores import average_accuracy

Spec = dict[str, Any]

_DASHES = {"-": [1, 0], "--": [6, 3], ":": [1.5, 2.5], "-.": [6, 2, 1.5, 2]}
_SHAPES = {"o": "circle", "8": "circle", "h": "circle", "H": "circle", "p": "circle", ".": "circle", "s": "square"}
_SHAPES |= {"^": "triangle-up", "v": "triangle-down", "<": "triangle-left", ">": "triangle-right"}
_SHAPES |= {"D": "diamond", "d": "diamond", "P": "cross", "X": "cross", "x": "cross", "*": "cross"}
_PERCENT = {"type": "quantitative", "scale": {"zero": False, "nice": True}, "title": "average accuracy (%)"}
_REFERENCES = ("pretrained", "individual")


def scalings(section: Section) -> Spec | None:
    """Return average accuracy against lambda."""
    return _lines(section, "sweeps", "scaling", "scaling lambda")


def steps(section: Section) -> Spec | None:
    """Return average accuracy against AdaMerging's step."""
    return _lines(section, "trajectories", "step", "step")


def accuracies(section: Section) -> Spec | None:
    """Return every method's accuracy on every task, and its average, with 95 % intervals."""
    tasks = [task for task in section.tasks if task in section.main and section.main[task].notna().any()]
    if section.main.empty or not tasks:
        return None
    values = [
        {"id": row["id"], "task": task, "y": row[task], "low": row[f"{task} low"], "high": row[f"{task} high"]}
        for row in section.main.to_dict("records")
        for task in tasks
        if pd.notna(row[task])
    ] + [
        {"id": row["id"], "task": "average", "y": row["average"], "low": row["average"] - row["half_width"],
         "high": row["average"] + row["half_width"]}
        for row in section.main.to_dict("records")
    ]  # fmt: skip
    methods = list(section.main["id"])
    x = {"field": "y", "type": "quantitative", "title": "accuracy (%)", "scale": {"zero": False}}
    x["axis"] = {"orient": "top"}
    place = {
        "y": {"field": "task", "type": "nominal", "sort": ["average", *tasks], "title": None},
        "yOffset": {"field": "id", "type": "nominal", "sort": methods},
    }
    whisker = {
        "mark": {"type": "rule", "opacity": 0.6},
        "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}},
    }
    point = {"mark": {"type": "point", "filled": True, "size": 36}, "encoding": {"x": x, **_tooltip("task", "task")}}
    spec = _spec(section, methods, values, [whisker, point])
    spec["encoding"] |= place
    # As high as a screen, with room for the name of every task.
    return spec | {"height": max(560, 24 * (1 + len(tasks)))}


CHARTS: dict[str, Callable[[Section], Spec | None]] = {"accuracies": accuracies, "scalings": scalings, "steps": steps}
"""By figure; None if the run has no numbers for it."""


def _lines(section: Section, need: str, along: str, title: str) -> Spec | None:
    """Average accuracy along a parameter: a line and a band per method, and references across."""
    scores = section.scores(need)
    if scores.empty:
        return None
    averages = average_accuracy(scores, ["method", along]).dropna(subset="average")
    values = [
        {"id": row["method"], "x": row[along], "y": row["average"], "low": row["average"] - row["half_width"],
         "high": row["average"] + row["half_width"]}
        for row in averages.to_dict("records")
    ]  # fmt: skip
    x = {"field": "x", "type": "quantitative", "title": title}
    y = _PERCENT | {"field": "y"}
    band = {
        "mark": {"type": "area", "opacity": 0.12},
        "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
    }
    line = {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"x": x, "y": y, "strokeDash": {}}}
    point = {
        "mark": {"type": "point", "filled": True, "size": 40},
        "encoding": {"x": x, "y": y, **_tooltip("x", title)},
    }
    levels = [
        {"id": row["id"], "level": row["average"]}
        for row in section.main.to_dict("records")
        if row["algorithm"] in _REFERENCES
    ]
    across: Spec = {"mark": {"type": "rule", "strokeWidth": 1.2}}
    across["encoding"] = {"y": y | {"field": "level"}, "strokeDash": {}}
    methods = [*dict.fromkeys(averages["method"]), *(level["id"] for level in levels)]
    across["encoding"] |= {"tooltip": [_named("label", "method"), _named("level", "accuracy (%)")]}
    return _spec(section, methods, [*values, *levels], [band, line, point, across]) | {"height": 300}


def _spec(section: Section, methods: Sequence[str], values: list[dict[str, Any]], layers: list[Spec]) -> Spec:
    """A specification whose methods look as in the figures, and which leaves out those that are switched off."""
    look = looks(section.methods)
    chosen = [look[method] for method in methods]
    domain = {"domain": list(methods)}

    def scale(values: Sequence[Any]) -> dict[str, Any]:
        return {"field": "id", "type": "nominal", "scale": domain | {"range": list(values)}, "legend": None}

    dash, shape = scale([_DASHES[one.linestyle] for one in chosen]), scale([_SHAPES[one.marker] for one in chosen])
    for layer in layers:
        if "strokeDash" in layer["encoding"]:
            layer["encoding"]["strokeDash"] = dash
        if layer["mark"]["type"] == "point":
            layer["encoding"]["shape"] = shape
    for value in values:
        value["label"] = section.labels[value["id"]]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "background": None,
        "data": {"values": values},
        "params": [{"name": "off", "value": []}],
        "transform": [{"filter": "indexof(off, datum.id) < 0"}],
        "encoding": {"color": scale([_ink(one) for one in chosen])},
        "layer": layers,
        "usermeta": {
            "methods": [
                {"id": method, "label": section.labels[method], "color": _ink(one)}
                for method, one in zip(methods, chosen, strict=True)
            ]
        },
    }


def _ink(look: Look) -> str:
    # Black is the text's colour, which is white on a dark page.
    return "currentColor" if look.color == "#000000" else look.color


def _tooltip(field: str, title: str) -> dict[str, Any]:
    first = {"field": field, "title": title}
    numbers = [_named("y", "accuracy (%)"), _named("low", "95 % from"), _named("high", "to")]
    return {"tooltip": [_named("label", "method"), first, *numbers]}


def _named(field: str, title: str) -> dict[str, Any]:
    return {"field": field, "title": title} | ({} if field == "label" else {"format": ".1f"})
