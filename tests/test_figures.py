"""Figures have their axes and units, order layers by depth, and come out the same every time."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from remerge.config import load_config
from remerge.figures.accuracies import accuracies_figure
from remerge.figures.conflicts import draw as draw_conflicts
from remerge.figures.cosine import cosine_figure
from remerge.figures.evidence import Evidence
from remerge.figures.heat_map import heat_map_figure
from remerge.figures.layerwise_coefficients import depth, layerwise_figure
from remerge.figures.samples import samples_figure
from remerge.figures.scalings import scaling_figure
from remerge.figures.steps import steps_figure
from remerge.figures.style import curve_styles, looks, new_figure, save_figure, tell_absent
from remerge.figures.taskwise_coefficients import taskwise_figure
from remerge.figures.valid_answers import valid_figure
from remerge.tasks import render

CONFIG = load_config(yaml.safe_load((Path(__file__).parent.parent / "config.yaml").read_text(encoding="utf-8")))
TASKS = ["digits", "latin", "greek"]
LABELS = {name: method.label for name, method in CONFIG.methods.items()}
METHODS = {name: asdict(method) | {"looks": CONFIG.looks_of(name)} for name, method in CONFIG.methods.items()}
LOOKS = looks(METHODS)
LAYERS = ["proj", "transformer.resblocks.10.ln_1.weight", "conv1.weight", "transformer.resblocks.2.mlp.c_fc.bias"]


def scores(methods: list[str], **grid: list[float]) -> pd.DataFrame:
    (name, values), *_ = [*grid.items(), ("none", [0.0])]
    return pd.DataFrame(
        [
            {"method": m, name: v, "task": t, "split": "test", "correct": 30 + 3 * i + j + int(10 * v), "n": 100}
            for i, m in enumerate(methods)
            for j, t in enumerate(TASKS)
            for v in values
        ]
    )


def history(layers: list[str]) -> pd.DataFrame:
    rows = [(s, t, n, 0.1 * (s + j)) for s in (0, 2) for j, t in enumerate(TASKS) for n in layers]
    return pd.DataFrame(rows, columns=["step", "task", "layer", "value"])


FIGURES: dict[str, Callable[[], Figure]] = {
    "accuracies": lambda: accuracies_figure(scores(list(LABELS)), LABELS, LOOKS, TASKS),
    "scalings": lambda: scaling_figure(
        scores(["ties", "task-arithmetic"], scaling=[0.0, 0.5, 1.0]),
        {"pretrained": 30.0},
        {"ties": {"ties": 0.3}, "task-arithmetic": {"task-arithmetic": 7.0, "task-arithmetic-tuned": 0.4}},
        LABELS,
        LOOKS,
        TASKS,
    ),
    "valid_answers": lambda: valid_figure(
        scores(["ties"], scaling=[0.0, 0.5, 1.0]).assign(valid=lambda rows: 90 - 40 * rows["scaling"]), LABELS, LOOKS
    ),
    "steps": lambda: steps_figure(scores(["adamerging-layer"], step=[0, 5]), {"ties": 33.0}, LABELS, LOOKS),
    "taskwise": lambda: taskwise_figure({"plain": history(["all"]), "++": history(["all"])}, TASKS),
    "layerwise": lambda: layerwise_figure({"plain": history(LAYERS)}, TASKS),
    "cosine": lambda: cosine_figure(
        pd.DataFrame([(a, b, float(a == b)) for a in TASKS for b in TASKS], columns=["task_a", "task_b", "cosine"]),
        TASKS,
    ),
    "heat_map": lambda: heat_map_figure(scores(list(LABELS)), LABELS, TASKS, ["ties"]),
    "samples": lambda: samples_figure([render("latin")["test"]]),
}


def test_valid_answers_are_drawn_as_shares() -> None:
    (line,) = FIGURES["valid_answers"]().axes[0].get_lines()
    assert np.array_equal(line.get_xydata(), [(0.0, 90.0), (0.5, 70.0), (1.0, 50.0)])


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_data_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    for run in ("one", "two"):
        save_figure(FIGURES[name](), tmp_path / f"{run}.svg", tmp_path / f"{run}.png")
    for suffix in ("svg", "png"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("accuracies", ["accuracy (%)"]),
        ("scalings", ["average accuracy (%)", r"scaling $\lambda$"]),
        ("steps", ["average accuracy (%)", "AdaMerging step"]),
        ("taskwise", ["AdaMerging step", r"merging coefficient $\lambda_k$"]),
        ("layerwise", [r"merging coefficient $\lambda_k^l$", "layer (one column per tensor of the encoder)"]),
        ("cosine", ["cosine similarity of task vectors"]),
        ("heat_map", ["accuracy (%)"]),
    ],
)
def test_axes_say_what_they_show(name: str, words: list[str]) -> None:
    labels = [text for axes in FIGURES[name]().axes for text in (axes.get_xlabel(), axes.get_ylabel())]
    for word in words:
        assert word in labels


def test_a_heat_map_has_every_accuracy_and_methods_with_parts_last() -> None:
    absent = scores(list(LABELS))
    absent = absent[~((absent["method"] == "fisher") & (absent["task"] == "latin"))]
    summary, by_task, _ = heat_map_figure(absent, LABELS, TASKS, ["ties"], "individual").axes
    names = [text.get_text() for text in summary.get_yticklabels()]
    assert names == [label for name, label in LABELS.items() if name != "ties"] + [LABELS["ties"]]
    row = names.index(LABELS["fisher"])
    told = {int(text.get_position()[0]): text.get_text() for text in by_task.texts if text.get_position()[1] == row}
    first = 30 + 3 * list(LABELS).index("fisher")
    assert told == {0: str(first), 2: str(first + 2)}
    assert [text.get_text() for text in summary.get_xticklabels()] == ["average", "worst", "spread", "normalised"]
    # The experts have 33, 34 and 35 %.
    share = 100 * (first / 33 + (first + 2) / 35) / 2
    summed = [text.get_text() for text in summary.texts if text.get_position()[1] == row]
    assert summed == [f"{first + 1}.0", f"{first}.0", "1.0", f"{share:.1f}"]
    without, *_ = heat_map_figure(absent, LABELS, TASKS).axes
    assert [text.get_text() for text in without.get_xticklabels()] == ["average", "worst", "spread"]
    assert [text.get_text() for text in by_task.get_xticklabels()] == TASKS
    (divided,) = by_task.get_lines()
    assert np.asarray(divided.get_ydata()).tolist() == [len(names) - 1.5] * 2


def test_layers_are_ordered_by_depth() -> None:
    assert sorted(LAYERS, key=depth) == [
        "conv1.weight",
        "transformer.resblocks.2.mlp.c_fc.bias",
        "transformer.resblocks.10.ln_1.weight",
        "proj",
    ]


def test_curves_have_markers_only_where_lines_alone_are_alike() -> None:
    masks = looks({name: {"looks": "masks"} for name in ("dare", "breadcrumbs", "magmax", "pcb", "consensus")})
    few = curve_styles(["dare", "pcb"], masks)
    assert few == {"dare": masks["dare"].line(), "pcb": masks["pcb"].line()}
    assert masks["dare"].line() == masks["consensus"].line()
    many = curve_styles(masks, masks)
    assert len({(style["color"], style["linestyle"], style["marker"]) for style in many.values()}) == len(masks)


def test_every_method_looks_different_and_always_the_same() -> None:
    drawn = [(look.color, look.linestyle, look.marker) for look in LOOKS.values()]
    assert len(set(drawn)) == len(drawn)
    fewer = {name: method for name, method in METHODS.items() if "layer" in name}
    assert all(looks(fewer)[name] == LOOKS[name] for name in fewer)


def test_the_drawn_accuracies_are_the_scores() -> None:
    frame = scores(["ties"], scaling=[0.0, 1.0])
    figure = scaling_figure(frame, {}, {}, LABELS, LOOKS, TASKS)
    line = figure.axes[0].get_lines()[0]
    np.testing.assert_allclose(np.asarray(line.get_ydata(), float), [31.0, 41.0])


def test_methods_that_differ_in_their_scaling_alone_lie_on_one_curve() -> None:
    evidence = Evidence({}, TASKS, METHODS, "trained", "mini")
    assert evidence.merge_alike("task-arithmetic", "task-arithmetic-tuned")
    assert not evidence.merge_alike("ties", "ties-mean")
    _, legend = FIGURES["scalings"]().axes[0].get_legend_handles_labels()
    assert legend == [LABELS["ties"], LABELS["task-arithmetic"], LABELS["task-arithmetic-tuned"]]


def test_a_figure_names_the_tasks_it_says_nothing_of() -> None:
    assert not tell_absent(new_figure(1), TASKS, TASKS).get_suptitle()
    assert tell_absent(new_figure(1), ["latin"], TASKS).get_suptitle() == "1/3 tasks; nothing of digits, greek"


@pytest.mark.parametrize(
    ("experts", "told"), [(3, ""), (2, "2/3 tasks have an expert"), (1, "1/3 tasks have an expert")]
)
def test_conflicts_of_fewer_task_vectors_say_so(tmp_path: Path, experts: int, told: str) -> None:
    counts = range(2, experts + 1)
    table = pd.DataFrame({"keep": 1.0, "tasks": counts, "entries": 10, "conflicts": 1, "percent": 10.0})
    table.to_csv(tmp_path / "conflicts.csv", index=False)
    evidence = Evidence({"conflicts": [str(tmp_path / "conflicts.csv")]}, TASKS, {}, "trained", "mini")
    assert draw_conflicts(evidence).get_suptitle() == told
