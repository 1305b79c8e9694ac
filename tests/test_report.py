"""The report needs nothing beside itself, says what was run, and takes foreign text as text."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from remerge.findings.report import Section, write_report

TEMPLATE = Path(__file__).parent.parent / "workflow" / "report" / "page.html.j2"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    results = tmp_path / "results"
    results.mkdir()
    (results / "main.md").write_text(
        "| Method | Average |\n|---|---|\n| B | 9.5 |\n| A | **71.5** |\n| C | – |\n\nA note.\n"
    )
    (results / "f.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><text>axis</text></svg>')
    section = Section(
        pool="mini",
        suite="eight",
        tasks=["digits"],
        about=["Tasks: <script>alert(1)</script>."],
        tables={"main": results / "main.md", "my-study": results / "main.md"},
        figures={"scalings": ("Rises to a peak.", results / "f.svg")},
        flags={"digits": "3 of 500 test images are also in training", "other": "1 of 2 are"},
    )
    (results / "provenance").mkdir()
    for name, commit in (("main.md", "abc"), ("scores.csv", "scored"), ("earlier.md", "stale")):
        told = {"remerge": "0.1.0", "commit": commit, "device": "cpu", "python": "3.11", "packages": {"torch": "2.15"}}
        links = {"inputs": {"results/scores.csv": ""} if name == "main.md" else {}, "output": {"": [f"results/{name}"]}}
        (results / "provenance" / f"{name}.json").write_text(json.dumps(told | links))
    write_report(results / "report.html", TEMPLATE, [section])
    return results / "report.html"


def test_the_page_needs_nothing_beside_itself(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert {link for link in re.findall(r"https?://[^\s\"'<]+", text) if "arxiv.org/abs/" not in link} == set()
    assert set(re.findall(r'(?:src|href)="(.{5})', text)) <= {"https", "data:", "#mini", "#made"}
    assert "<link" not in text


def test_it_says_what_was_run_and_what_to_bear_in_mind(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for told in (
        "mini, eight",
        "Accuracy of every method",
        "Study: my-study",
        "A note.",
        "Rises to a peak.",
        "<strong>71.5</strong>",
    ):
        assert told in text
    assert "Rises to a peak." in text
    assert "Contaminated split: digits, 3 of 500" in text
    assert "abc (1 files), scored (1 files)" in text
    assert "stale" not in text
    assert "1 of 2 are" not in text
    assert "2.15" in text


def test_foreign_text_stays_text(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_click_sorts_a_table_in_a_browser(page: Path) -> None:
    """By number, both ways, what is no number last."""
    clicks = """<script>
      const head = document.querySelectorAll("th")[1], rows = () => [...document.querySelector("tbody").rows];
      const order = () => rows().map(row => row.cells[0].textContent.trim()).join("");
      head.click(); const up = order(); head.click();
      document.body.dataset.found = up + " " + order() + " " + (document.documentElement.scrollWidth <= innerWidth);
    </script></html>"""
    tried = page.with_name("tried.html")
    tried.write_text(page.read_text(encoding="utf-8").replace("</html>", clicks), encoding="utf-8")
    profile = page.parent / "profile"
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
    told = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={profile}",
         "--window-size=375,800", "--dump-dom", tried.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    assert 'data-found="BAC ABC true"' in told
