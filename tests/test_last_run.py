"""What the last finished run made is known by its report's record, whatever else lies under the results."""

import json
from pathlib import Path
from typing import Any

import pytest

from remerge.commands.results import show_results
from remerge.errors import RemergeError
from remerge.run.last_run import lineage, sections


def made(results: Path, name: str, inputs: list[str], **told: Any) -> None:
    for path, text in (
        (results / name, name),
        (
            results / "provenance" / f"{name}.json",
            json.dumps(
                {"inputs": {f"results/{path}": "" for path in inputs}, "output": {"": [f"results/{name}"]}} | told
            ),
        ),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for suite in ("one", "two", "old"):
        made(tmp_path, f"p/scores/{suite}.csv", [])
        outputs = [f"results/p/tables/{suite}/main.{suffix}" for suffix in ("md", "tex")]
        for output in outputs:
            made(tmp_path, output.removeprefix("results/"), [f"p/scores/{suite}.csv"], output={"": outputs})
    shown: list[dict[str, Any]] = [{"pool": "p", "suite": suite, "tables": {}} for suite in ("two", "one")]
    tables = [f"p/tables/{own['suite']}/main.md" for own in shown]
    made(tmp_path, "report.html", tables, parameters={"sections": shown})
    return tmp_path


def test_the_lineage_of_the_report_is_all_it_came_from_and_nothing_earlier(results: Path) -> None:
    expected = {"report.html", *(f"p/scores/{suite}.csv" for suite in ("one", "two"))}
    expected |= {f"p/tables/{suite}/main.{suffix}" for suite in ("one", "two") for suffix in ("md", "tex")}
    assert set(lineage(results, ["report.html"])) == expected


def test_the_terminal_shows_the_last_runs_suites_in_their_order(results: Path) -> None:
    text = show_results(results)
    assert text.index("suite two") < text.index("suite one")
    assert "old" not in text
    assert f"Report   {results / 'report.html'}" in text


def test_without_a_finished_run_the_remedy_is_told(results: Path) -> None:
    (results / "provenance/report.html.json").write_text("{", encoding="utf-8")
    with pytest.raises(RemergeError, match=r"no finished run: .* run `snakemake --cores all`"):
        sections(results)
