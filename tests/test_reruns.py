"""What an edit runs again: edits of one finished project, and the jobs that a dry run plans after each."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import copy_project, planned, snakemake

Edit = Callable[[Path], None]
STUDIES: dict[str, Any] = {
    "task-counts": {"kind": "task_counts", "suite": "three", "counts": [2], "methods": ["arithmetic"]},
    "density": {"kind": "ties_density", "suite": "three", "keep": [0.5, 1.0]},
}
METHODS: dict[str, Any] = {
    "fisher": {"label": "Fisher Merging", "algorithm": "fisher"},
    "regmean": {"label": "RegMean", "algorithm": "regmean"},
}


def text(file: str, before: str, after: str) -> Edit:
    """Replace text in a file."""

    def edit(folder: Path) -> None:
        content = (folder / file).read_text(encoding="utf-8")
        assert before in content, f"{file}: no {before!r}"
        (folder / file).write_text(content.replace(before, after, 1), encoding="utf-8")

    return edit


def more(file: str, code: str) -> Edit:
    """Append to a file."""

    def edit(folder: Path) -> None:
        with (folder / file).open("a", encoding="utf-8") as opened:
            opened.write(code)

    return edit


def setting(*keys: Any, value: Any) -> Edit:
    """Set a value of the configuration."""

    def edit(folder: Path) -> None:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        place = config
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")

    return edit


# A table of a study, drawn, judged and shown.
SHOWN = {"study_table": 1, "study_figure": 1, "claims_table": 1, "regime_table": 1, "report_page": 1}
# A method in the main table, judged and shown: accuracies, fidelity, radar, scalings and steps.
COMPARED = {"fidelity_table": 1, "regime_table": 1, "leaderboard_table": 1}
SCORED = {
    **COMPARED,
    "merge": 1,
    "score": 1,
    "main_table": 1,
    "cost_table": 1,
    "claims_table": 1,
    "figure": 5,
    "report_page": 1,
}
# All that a suite's task vectors are merged to; studies but the two parts of robustness, which merges two other tasks.
MERGED = {
    "finetune": 1,
    "task_vector": 1,
    "expert_statistics": 2,
    "finetune_jointly": 1,
    "learn_coefficients": 2,
    "merge_task_vectors": 5,
    "merge_by_statistics": 2,
    "merge": 7,
    "score": 8,
    "score_pretrained": 1,
    "score_individual": 1,
    "sweep": 3,
    "trajectory": 2,
    "study": 5,
    "study_table": 6,
    "study_figure": 6,
    "task_vector_cosine": 1,
    "conflicts_table": 1,
    "entropy_table": 1,
    "experts_table": 1,
    "main_table": 1,
    "cost_table": 1,
    "claims_table": 1,
    **COMPARED,
    "report_page": 1,
}
# Of what only readers see.
HARMLESS: dict[str, Edit] = {
    "a comment": more("remerge/run/logs.py", "# More to say.\n"),
    "a log message": text("remerge/run/logs.py", 'f"end: ', 'f"finished: '),
    "a message of what trains": text("remerge/scoring/evaluation.py", "out of memory: going on", "memory is full: on"),
    "an error's text": text("remerge/checkpoints/headers.py", ": no such file", ": is not there"),
    "a docstring": text("remerge/clip/training.py", "Train a CLIP from random weights", "Train a CLIP"),
    "an annotation": text("remerge/clip/heads.py", "classes: Sequence[str]", "classes: tuple[str, ...]"),
    "the version": text("remerge/__init__.py", "__version__ = ", '__version__ = "9" + '),
    "formatting": text("scripts/score.py", "with job(snakemake) as", "\n\nwith job(\n    snakemake\n) as"),
    "a comment in a rule": more("workflow/rules/merging.smk", "\n# More to say.\n"),
    "the description of a study's setting": text(
        "remerge/studies/ties_density.py", "Shares of entries that", "Shares of the entries that"
    ),
}
EDITS: dict[str, tuple[Edit, dict[str, int]]] = {
    "a figure's caption": (
        text("remerge/figures/registry.py", "The main table as a picture.", "A picture."),
        {"report_page": 1},
    ),
    "how a figure is drawn": (more("remerge/figures/radar.py", "CHANGED = 1\n"), {"figure": 1, "report_page": 1}),
    "how tables are laid out": (
        more("remerge/findings/tables.py", "CHANGED = 1\n"),
        {
            "main_table": 1,
            "experts_table": 1,
            "claims_table": 1,
            **COMPARED,
            "cost_table": 1,
            "study_table": 6,
            "study_figure": 6,
            "figure": 1,
            "report_page": 1,
        },
    ),
    "an algorithm": (
        more("remerge/methods/weight_averaging.py", "CHANGED = 1\n"),
        {**SCORED, **SHOWN, "merge_task_vectors": 1, "study": 1},
    ),
    "an algorithm with statistics": (
        more("remerge/methods/fisher.py", "CHANGED = 1\n"),
        {**SCORED, "expert_statistics": 3, "merge_by_statistics": 1},
    ),
    "how coefficients are learned": (
        more("remerge/merging/learning.py", "CHANGED = 1\n"),
        {
            **SCORED,
            **SHOWN,
            "learn_coefficients": 2,
            "merge_task_vectors": 2,
            "merge": 2,
            "score": 2,
            "trajectory": 2,
            "figure": 7,
            "study": 2,
        },
    ),
    "the encoders of a kind of study": (
        text("remerge/studies/ties_density.py", "share, ", "share / 1, "),
        {"study": 1, **SHOWN},
    ),
    "the table of a kind of study": (
        text("remerge/studies/ties_density.py", "return by_share_kept(scores)", "return by_share_kept(scores[:])"),
        {"study_table": 1, "study_figure": 1, "report_page": 1},
    ),
    "the note of a kind of study": (
        text("remerge/studies/ties_density.py", "TIES with a share", "TIES, a share"),
        {"study_table": 1, "study_figure": 1, "report_page": 1},
    ),
    "the caption of a kind of study": (
        text("remerge/studies/ties_density.py", "How much of each task vector TIES", "What of each task vector TIES"),
        {"report_page": 1},
    ),
    "the answer of a kind of study": (
        text("remerge/studies/ties_density.py", "TIES is best when", "TIES does best when"),
        {"report_page": 1},
    ),
    "what claims say of a kind of study": (
        text("remerge/studies/negation.py", '{"before": 0.0', '{"before": 0'),
        {"claims_table": 1, "regime_table": 1, "report_page": 1},
    ),
    "how a kind of study is drawn": (
        more("remerge/studies/ties_density_figure.py", "CHANGED = 1\n"),
        {"study_figure": 1, "report_page": 1},
    ),
    "a method's label": (
        setting("methods", "averaging", "label", value="Mean"),
        {
            "main_table": 1,
            "fidelity_table": 1,
            "cost_table": 1,
            "leaderboard_table": 1,
            "study_table": 1,
            "study_figure": 1,
            "figure": 5,
            "report_page": 1,
        },
    ),
    "a method's scaling": (
        setting("methods", "arithmetic", "scaling", value=0.4),
        {
            **SCORED,
            **SHOWN,
            "study": 1,
            "entropy_table": 1,
            "figure": 6,
        },
    ),
    "a method more": (
        setting("methods", "more", value={"label": "More", "algorithm": "ties"}),
        {
            **SCORED,
            "merge_task_vectors": 1,
            "sweep": 1,
        },
    ),
    "a corruption more": (
        setting("studies", "robustness", "corruptions", value=["gaussian_noise", "contrast"]),
        {"corrupt_images": 2, "study": 1, **SHOWN},
    ),
    "a split more": (
        setting("studies", "generalisation", "unseen", value=[["shapes"], ["digits"]]),
        {"study": 1, **SHOWN},
    ),
    "a subset count more": (setting("studies", "task-counts", "counts", value=[2, 3]), {"study": 1, **SHOWN}),
    "a template": (
        setting("tasks", "shapes", "templates", value=["a sketch of a {}."]),
        {
            **MERGED,
            "zero_shot_head": 1,
            "score_expert": 2,
            "figure": 10,
        },
    ),
    "a template of mini": (
        text("remerge/tasks/prompts.py", "a picture of", "an image of"),
        {
            **MERGED,
            "pretrain": 1,
            "unpack_clip": 1,
            "zero_shot_head": 3,
            "finetune": 3,
            "task_vector": 3,
            "expert_statistics": 6,
            "score_expert": 3,
            "study": 7,
            "figure": 10,
        },
    ),
    "a task more": (
        setting("suites", "three", value=["digits", "shapes", "arrows", "latin"]),
        {
            **MERGED,
            "render_task": 1,
            "audit_images": 1,
            "zero_shot_head": 1,
            "score_expert": 1,
            "figure": 11,
        },
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose results, of no content, are all there and made of what it now is."""
    folder = copy_project(tmp_path_factory.mktemp("finished"))
    for name, study in STUDIES.items():
        setting("studies", name, value=study)(folder)
    for name, method in METHODS.items():
        setting("methods", name, value=method)(folder)
    plan = snakemake(folder, "--dry-run")
    for files in re.findall(r"^    (?:output|benchmark): (.+)$", plan, flags=re.MULTILINE):
        for name in files.split(", "):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name, encoding="utf-8")
    snakemake(folder, "--touch", "--forceall")
    return folder


@pytest.fixture
def project(finished: Path) -> Iterator[Path]:
    """The finished project, whose code and configuration are put back after a test."""
    kept = {
        path: path.read_bytes()
        for pattern in ("config.yaml", "remerge/**/*.py", "scripts/*.py", "workflow/**/*.smk")
        for path in finished.glob(pattern)
    }
    yield finished
    for path, content in kept.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


def test_a_finished_project_has_nothing_to_do_whatever_is_said_in_other_words(project: Path) -> None:
    for edit in HARMLESS.values():
        edit(project)
    assert planned(project) == {}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_runs_again_what_depends_on_it_and_no_more(project: Path, name: str) -> None:
    edit, expected = EDITS[name]
    edit(project)
    assert planned(project) == expected
