"""Draw how TIES grows with tasks and parameters, from the last figures in results.csv: docs/growth.{svg,png}."""

from pathlib import Path

import pandas as pd

from remerge.figures.style import looks, new_figure, save_figure

HERE = Path(__file__).parent
MILLIONS = {"ViT-B-32": 87.8, "ViT-L-14": 304.0}


def main() -> None:
    """Draw time and memory side by side, against tasks above and parameters below."""
    measured = pd.read_csv(HERE / "results.csv").drop_duplicates(["case", "figure"], keep="last")
    found = measured["case"].str.extract(r"^ties (?P<tasks>\d+) x (?P<architecture>ViT-[A-Z]-\d+)$")
    measured = measured.join(found).dropna(subset="tasks").astype({"tasks": int})
    per_task = measured["figure"] == "seconds per task"
    measured.loc[per_task, "value"] *= measured.loc[per_task, "tasks"]
    measured["figure"] = measured["figure"].replace({"seconds per task": "seconds"})
    measured = measured.drop_duplicates(["case", "figure"], keep="last")
    measured["millions"] = measured["architecture"].map(MILLIONS)
    look = looks({"ties": {"looks": "ties"}})["ties"]
    figure = new_figure(4.2)
    axes = figure.subplots(2, 2)
    rows = (
        ("tasks", "tasks merged (ViT-B/32)", measured[measured["architecture"] == "ViT-B-32"]),
        ("millions", "million parameters (eight tasks)", measured[measured["tasks"] == 8]),
    )
    units = (("seconds", "time (s)"), ("anonymous memory", "anonymous memory (GB)"))
    for row, (across, label, own) in zip(axes, rows, strict=True):
        for panel, (name, unit) in zip(row, units, strict=True):
            line = own[own["figure"] == name].sort_values(across)
            panel.plot(line[across], line["value"], marker=look.marker, **look.line())
            panel.set(xlabel=label, ylabel=unit)
            panel.set(xlim=(0, 1.08 * line[across].max()), ylim=(0, 1.15 * line["value"].max()))
            panel.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle("TIES, tile by tile", fontsize=9)
    docs = HERE.parent / "docs"
    save_figure(figure, docs / "growth.svg", docs / "growth.png")


if __name__ == "__main__":
    main()
