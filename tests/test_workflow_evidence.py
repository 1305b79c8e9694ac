"""Two suites, two pools and names like values: every table, figure and page is made from its declared inputs alone.

What the configuration no longer names is in nothing that people read, though its files are still there.
"""

import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from project import ROOT, copy_project, planned, snakemake

from remerge.checkpoints.weights import save_weights
from remerge.images.store import ImageSet, save_images
from remerge.run.archive import Job, pack, rebuild
from remerge.run.csvs import read_csv
from remerge.scoring.answers import pack_right
from remerge.scoring.scores import write_scores

pytestmark = pytest.mark.whole
POOLS = ("NA", "101")
SUITES = {"null": ["1e3", "true"], "nan": ["true", "arrows"]}
TASKS = ("1e3", "true", "arrows")
MERGED = ("101", "NA")
READERS = (
    *("main_table", "experts_table", "claims_table", "cost_table", "study_table", "study_figure", "figure"),
    *("report_page", "score_individual", "audit_images", "main_over_seeds", "claims_over_seeds"),
    *("fidelity_table", "regime_table", "leaderboard_table"),
)
"""Rules that need no model: their jobs only read what others made."""


def configuration(folder: Path) -> dict[str, Any]:
    """The tiny configuration with two of all, of names that CSV and YAML readers take for something else."""
    values = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    values["pools"] = {name: {"seed": seed} for seed, name in enumerate(POOLS)}
    values["tasks"] = {"true": values["tasks"]["shapes"], "1e3": values["tasks"]["shapes"]}
    values["suites"] = SUITES | {}
    values["methods"] = {
        "pretrained": {"label": "Pretrained", "algorithm": "pretrained"},
        "individual": {"label": "N/A", "algorithm": "individual"},
        "101": {"label": "$x_1$ | <b>", "algorithm": "task_arithmetic", "scaling": 0.3},
        "NA": {"label": "102", "algorithm": "ties", "scaling": 0.5},
    }
    values["studies"] = {
        "inf": {
            "kind": "robustness",
            "suite": "null",
            "tasks": ["true"],
            "corruptions": ["contrast"],
            "methods": ["101", "NA"],
        },
        "false": {"kind": "generalisation", "suite": "null", "unseen": [["1e3"]], "methods": ["101"]},
        "007": {"kind": "negation", "suite": "nan", "scalings": [0.0, 0.5]},
    }
    return values


def write(folder: Path, values: Mapping[str, Any]) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(values), sort_keys=False), encoding="utf-8")


def scored(path: Path, tasks: Sequence[str], rows: Sequence[Mapping[str, Any]], **columns: object) -> None:
    """Write a score file of random answers, one row for each task and each of the rows."""
    generator = np.random.default_rng(len(str(path)))
    found = []
    for row, task in product(rows, tasks):
        right = generator.random(40) < 0.5
        found.append({"task": task, "split": "test", "correct": right.sum(), "n": 40, "right": pack_right(right)} | row)
    write_scores(path, pd.DataFrame(found).assign(**columns))


def without_models(folder: Path) -> None:
    """Write what takes models to make: tables, figures and pages do not know that there were none."""
    results = folder / "results"
    for task, split in product(TASKS, ("train", "validation", "test")):
        pixels = np.random.default_rng(len(task + split)).integers(0, 256, (6, 32, 32, 3), np.uint8)
        images = ImageSet(pixels, np.arange(6) % 2, task, split, "real")
        path = results / "images" / "32" / task / f"{split}.safetensors"
        save_images(path, images, path.with_name(f"{split}.hashes.txt"))
    unread = [results / "images" / "32" / name for name in ("pretraining/train", "true/corrupted/contrast-2")]
    for pool in POOLS:
        own = results / pool
        unread += [own / "weights" / name for name in ("clip", "pretrained", *TASKS)]
        unread += [own / folder / task for folder in ("heads", "task_vectors") for task in TASKS]
        unread += [own / "merged_task_vectors" / s / m for s in SUITES for m in MERGED]
        for number, task in enumerate(TASKS):
            pairs = [(task, other) for other in TASKS[: number + 1]] + [(other, task) for other in TASKS[:number]]
            experts = [{"expert": expert, "task": scored_on} for expert, scored_on in pairs]
            scored(own / "expert_scores" / f"{task}.csv", [task], experts, pool=pool)
        for suite, tasks in SUITES.items():
            columns = {"pool": pool, "suite": suite}
            for method in ("pretrained", *MERGED):
                scored(own / "scores" / suite / f"{method}.csv", tasks, [{}], method=method, **columns)
            for method in MERGED:
                grid = [{"scaling": scaling} for scaling in (0.0, 0.5)]
                scored(own / "sweeps" / suite / method / "test.csv", tasks, grid, method=method, **columns)
                text_file(own / "merged" / suite / f"{method}.json", json.dumps({"method": method, "scaling": 0.3}))
                # Costs read its header.
                save_weights(own / "merged" / suite / f"{method}.safetensors", {"w": torch.zeros(1)})
                for stage in ("merge", "merge_task_vectors"):
                    place = folder / "benchmarks" / "jobs" / pool / stage / suite / f"{method}.tsv"
                    text_file(place, "s\th:m:s\tmax_rss\n2.0\t0\t100\n")
            tables = own / "tables" / suite
            pairs = pd.DataFrame(product(tasks, tasks), columns=["task_a", "task_b"]).assign(cosine=0.5)
            text_file(tables / "cosine.csv", pairs.to_csv(index=False))
            text_file(tables / "conflicts.csv", "keep,tasks,entries,conflicts,percent\n1.0,2,10,5,50.0\n")
            groups = pd.DataFrame({"task": np.repeat(tasks, 2), "entropy": 0.1, "loss": 0.2, "n": 3, "spearman": 0.9})
            text_file(tables / "entropy.csv", groups.assign(group=0).to_csv(index=False))
        studies = own / "studies"
        for part in ("clean", "contrast"):
            methods = [{"method": method} for method in MERGED]
            scored(studies / "inf" / f"{part}.csv", ["true"], methods, study="inf", part=part, merged="true")
        unseen = {"study": "false", "part": "split-1", "merged": "true"}
        scored(studies / "false" / "split-1.csv", SUITES["null"], [{"method": "101"}], **unseen)
        negated = [
            {"split": split, "merged": task, "scaling": scaling}
            for split, task, scaling in product(("validation", "test"), SUITES["nan"], (0.0, 0.5))
        ]
        scored(studies / "007" / "all.csv", SUITES["nan"], negated, study="007", part="all")
    for path in unread:
        text_file(path.with_name(f"{path.name}.safetensors"), "weights")
    now = time.time()
    for path in (*results.rglob("*"), *(folder / "benchmarks").rglob("*")):
        # Newer than the code, and none newer than another.
        os.utime(path, (now, now))


def text_file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the whole workflow has run, as far as tables, figures and pages can tell."""
    folder = copy_project(tmp_path_factory.mktemp("evidence"))
    write(folder, configuration(folder))
    without_models(folder)
    assert not set(planned(folder)) - set(READERS)
    snakemake(folder, one_process=True)
    return folder


def records(folder: Path) -> Iterator[dict[str, Any]]:
    """One record of every job that only reads."""
    told = (json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("results/provenance/**/*.json"))
    jobs = {json.dumps(own["output"], sort_keys=True): own for own in told if own["rule"] in READERS}
    yield from jobs.values()


def paths(named: Mapping[str, Any]) -> list[str]:
    return [path for value in named.values() for path in ([value] if isinstance(value, str) else value)]


def came_from(folder: Path, files: list[str]) -> set[str]:
    """The records of files, of what was made along with them, and of all that these came from."""
    found: set[str] = set()
    while files:
        record = files.pop().replace("results/", "results/provenance/", 1) + ".json"
        if record not in found and (folder / record).is_file():
            found.add(record)
            told = json.loads((folder / record).read_text(encoding="utf-8"))
            files += [*told["inputs"], *paths(told["output"])]
    return found


def test_every_name_is_itself_in_tables_and_figures(made: Path) -> None:
    for pool in POOLS:
        for suite, tasks in (("null", ["1e3", "true"]), ("nan", ["true", "arrows"])):
            tables = made / "results" / pool / "tables" / suite
            main = pd.read_csv(tables / "main.csv", dtype={"method": str}, keep_default_na=False)
            assert main["method"].tolist() == ["Pretrained", "N/A", "$x_1$ | <b>", "102"]
            assert {task for task in ("1e3", "true", "arrows") if task in main} == set(tasks)
            assert (main["tasks"].astype(float) == 2).all()
            assert r"\$x_1\$ \| \<b\>" in (tables / "main.md").read_text(encoding="utf-8")
            assert read_csv(tables / "experts.csv")["expert"].tolist() == tasks
            cost = read_csv(tables / "cost.csv")
            assert (cost["seconds"] > 0).all()
            assert len(cost) == 2
            figure = (made / "results" / pool / "figures" / suite / "accuracies.svg").read_text(encoding="utf-8")
            assert "$x_1$ | &lt;b&gt;" in figure
        tables = made / "results" / pool / "tables" / "null"
        assert set(read_csv(tables / "inf.csv")["method"]) == {"101", "NA"}
        assert read_csv(tables / "false.csv")["unseen"].tolist() == ["1e3"]
        assert read_csv(tables.parent / "nan" / "007.csv")["task"].tolist() == ["true", "arrows"]
    assert planned(made) == {}


def test_every_job_that_reads_needs_nothing_but_its_inputs(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is run again where there is nothing else, but for the records of what its inputs came from."""
    seen = set()
    # Every job also writes it to a separate log.
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    for number, told in enumerate(records(made)):
        folder = tmp_path / str(number)
        inputs = [path for path in told["inputs"] if (made / path).is_file()]
        needed = [*inputs, *came_from(made, list(inputs))] if told["rule"] == "report_page" else inputs
        for path in needed:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(made / path, folder / path)
        monkeypatch.chdir(folder)
        runpy.run_path(str(made / told["script"]), init_globals={"snakemake": Job(told, made)})
        for path in paths(told["output"]):
            assert (folder / path).read_bytes() == (made / path).read_bytes(), path
        seen.add(told["rule"])
        shutil.rmtree(folder)
    assert seen == set(READERS)


def test_every_job_that_reads_declares_only_its_pool_and_suite(made: Path) -> None:
    for told in records(made):
        pool, suite = told["wildcards"].get("pool"), told["wildcards"].get("suite")
        for path in told["inputs"]:
            place = (*Path(path).parts, "")
            own = {"results": place[1], "benchmarks": place[2]}.get(place[0], pool)
            assert pool is None or own in (pool, "images", *told["parameters"].get("seeds", ())), path
            assert suite is None or "studies" in place or not set(place[3:]) & (SUITES.keys() - {suite}), path


def test_what_is_no_longer_configured_is_in_nothing_people_read(made: Path, tmp_path: Path) -> None:
    values = configuration(copy_project(tmp_path / "again"))
    del values["pools"]["101"], values["suites"]["nan"], values["studies"]["007"], values["studies"]["inf"]
    del values["methods"]["NA"]
    write(made, values)
    jobs = planned(made)
    assert not set(jobs) & {"pretrain", "finetune", "merge", "score", "sweep", "score_expert"}
    snakemake(made, one_process=True)
    for name in ("101/tables/null/main.md", "NA/tables/nan/main.md", "NA/tables/null/inf.md", "NA/scores/null/NA.csv"):
        assert (made / "results" / name).is_file(), "what is earlier should still lie there"
    report = (made / "results" / "report.html").read_text(encoding="utf-8")
    pack(made / "results", tmp_path / "a.zip")
    shown = [
        report,
        *((made / "results/NA/tables/null" / f"{name}.md").read_text() for name in ("main", "cost", "false", "claims")),
        *((made / "results/NA/figures/null" / f"{name}.svg").read_text() for name in ("accuracies", "scalings")),
        *(
            subprocess.run(
                [sys.executable, "-m", "remerge", command], cwd=made, capture_output=True, text=True, check=True
            ).stdout
            for command in ("results", "claims")
        ),
    ]
    for text in shown:
        assert ">102<" not in text
        assert "| 102 " not in text
        assert "suite nan" not in text
        assert "Pool 101" not in text
    assert all(gone not in report for gone in ("Study: inf", "Study: 007", "101, null", "NA, nan"))
    assert "NA, null" in report
    same, other = rebuild(tmp_path / "a.zip", tmp_path / "rebuilt", ROOT)
    assert other == []
    assert same
    packed = {str(path.relative_to(tmp_path / "rebuilt")) for path in (tmp_path / "rebuilt").rglob("*")}
    gone = {"results/101/tables", "results/NA/tables/nan", "results/NA/tables/null/inf.md", "results/NA/studies/007"}
    assert not packed & (gone | {"results/NA/scores/null/NA.csv"})
