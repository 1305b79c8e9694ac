"""The report needs nothing beside itself, is valid, says what was run, and takes foreign text as text."""

import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Browser
from project import ROOT
from sections import add_claims, add_cost, add_curve, claim, make_section

from remerge.findings.claims import Claim, OfMethod, OfSweep
from remerge.findings.report import write_report
from remerge.findings.section import Section

TEMPLATES = ROOT / "workflow" / "report" / "page"
VOID = {"meta", "img", "input", "br", "link"}
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


class Page(HTMLParser):
    """The elements of a page, whose tags must be balanced; the text of scripts by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert max(Counter(name for name, _ in attrs).values(), default=1) == 1, f"an attribute twice: {tag} {attrs}"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} ends where it did not begin"

    def handle_data(self, data: str) -> None:
        tag, attributes = self.elements[-1] if self.elements else ("", {})
        if tag == "script" and "id" in attributes:
            self.scripts[attributes["id"]] = self.scripts.get(attributes["id"], "") + data

    def values(self, attribute: str) -> list[str]:
        """Every value of an attribute."""
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]


def record(results: Path, name: str, commit: str, inputs: Mapping[str, str]) -> None:
    """Write the record of a file."""
    told = {"remerge": "0.1.0", "commit": commit, "device": "cpu", "python": "3.11", "packages": {"torch": "2.15"}}
    path = results / "provenance" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told | {"inputs": inputs, "output": {"": [f"results/{name}"]}}))


def full_section(results: Path, **more: Any) -> Section:
    """A section with a table, a study, verdicts, a figure to look into and one that is a picture."""
    claims = [
        claim("one", "holds", 1, 2),
        claim("two", "does not hold", -3, -1, paper="2306.01708"),
        claim("three", "undecided", -1, 1, caveats="best: <i>"),
    ]
    tables = add_claims(results, claims) | add_cost(results, {"Averaging": 1.0, "AdaMerging": 40.0})
    folder = results / "p/tables/s"
    (folder / "my-study.csv").write_text("keep,digits,average\n0.2,70.0,70.0\n1.0,60.0,60.0\n")
    (folder / "my-study.md").write_text("| keep | average |\n|---|---|\n| 0.2 | 70.0 |\n| 1 | 60.0 |\n\nA note.\n")
    (folder / "my-study.tex").write_text("\\begin{tabular}{lr}</script><!--\n")
    (folder / "extra.md").write_text("| Method | Points |\n|---|---|\n| A | 3 |\n")
    (folder / "extra.csv").write_text("method,points\nA,3\n")
    tables |= {"my-study": [str(folder / f"my-study.{suffix}") for suffix in ("md", "csv", "tex")]}
    tables |= {"extra": [str(folder / f"extra.{suffix}") for suffix in ("md", "csv")]}
    figures = {}
    for name in ("accuracies", "scalings", "my-study", "mine"):
        path = results / f"p/figures/s/{name}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('<svg xmlns="http://www.w3.org/2000/svg"><text>axis</text></svg>')
        figures[name] = (f"What to see in {name}.", str(path))
    curves = add_curve(results, "sweeps", "scaling", {"ties": {0.0: 40.0, 0.5: 70.0, 1.0: 30.0}})
    given: dict[str, Any] = {
        "about": ["Tasks: <script>alert(1)</script>."],
        "tables": tables,
        "figures": figures,
        "flags": {"digits": "3 of 500 test images are also in training", "other": "1 of 2 are"},
        "studies": {"my-study": "ties_density"},
        "evidence": curves,
    }
    return make_section(results, **(given | more))


CLAIMS = {
    "one": Claim(
        statement="one is better.",
        paper="2212.04089",
        section="Section 4",
        above=OfMethod(method="ada"),
        below=OfSweep(sweep="ties", scaling="best"),
    )
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("run") / "results"
    section = full_section(results)
    record(results, "p/tables/s/main.md", "abc", {"results/p/scores/s/ada.csv": ""})
    record(results, "p/scores/s/ada.csv", "scored", {})
    record(results, "earlier.md", "stale", {})
    write_report(results / "report.html", TEMPLATES, [section], claims=CLAIMS)
    return results


@pytest.fixture
def text(results: Path) -> str:
    return (results / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def page(text: str) -> Page:
    return Page(text)


def test_every_id_is_unique_and_every_anchor_leads_somewhere(page: Page) -> None:
    ids = Counter(page.values("id"))
    assert max(ids.values()) == 1
    anchors = {value[1:] for value in page.values("href") if value.startswith("#")}
    assert len(anchors) >= 10
    assert anchors <= set(ids)
    labelled = [name for value in page.values("aria-labelledby") for name in value.split()]
    assert {*labelled, *page.values("data-spec"), *page.values("data-filter")} <= set(ids)


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    assert all(value.startswith("data:") for value in page.values("src"))
    assert not [tag for tag, _ in page.elements if tag in ("link", "iframe", "object")]
    (policy,) = [attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'")
    external = [value for value in page.values("href") if "://" in value]
    assert all(value.startswith("https://arxiv.org/abs/") for value in external)


def test_links_lead_to_files_beside_the_page(results: Path, page: Page) -> None:
    files = {value for value in page.values("href") if "://" not in value and not value.startswith("#")}
    assert {"p/tables/s/main.csv", "p/figures/s/scalings.svg", "p/sweeps/s/ties/test.csv"} <= files
    unmade = {"p/scores/s/ada.csv", "p/sweeps/s/ties/test.csv"}
    assert all((results / file).is_file() for file in files - unmade)


def test_copies_are_the_files(results: Path, page: Page) -> None:
    texts = json.loads(page.scripts["texts"])
    assert set(page.values("data-copy")) == set(texts)
    assert {"p/tables/s/my-study.tex", "p/tables/s/main.md", "p/tables/s/claims.csv"} <= set(texts)
    assert texts == {name: (results / name).read_text(encoding="utf-8") for name in texts}


def test_it_says_what_was_run_and_what_to_bear_in_mind(text: str) -> None:
    for told in (
        "p, s",
        "AdaMerging is the best merged encoder",
        "Study: my-study",
        "How much of each task vector should TIES keep?",
        "TIES is best when it keeps 20 % of the entries",
        "A note.",
        "What to see in mine.",
        "Contaminated split: digits, 3 of 500",
        "scored (1 files), abc (1 files)",
        "2.15",
    ):
        assert told in text
    assert "stale" not in text
    assert "1 of 2 are" not in text


def test_a_table_that_no_topic_names_has_a_part_of_its_own(page: Page) -> None:
    assert {"p/s/tables/extra", "p/s/figures/mine", "p/s/studies/my-study"} <= set(page.values("id"))


def test_verdicts_are_words_and_not_colours_alone(text: str) -> None:
    for told in ("1 holds", "1 does not hold", "1 is undecided"):
        assert f"</span> {told}</a>" in text
    assert text.count('class="verdict holds"') == 1


def test_a_claim_leads_to_its_evidence_and_files(text: str) -> None:
    shown = text.split('<li id="p/s/claims/one"')[1].split('<li id="p/s/claims/two"')[0]
    assert '<a href="#p/s/main">AdaMerging</a>' in shown
    assert '<a href="#p/s/scalings">TIES &lt;b&gt; over lambda</a>' in shown
    assert 'href="p/scores/s/ada.csv"' in shown
    assert 'href="p/sweeps/s/ties/test.csv"' in shown


def test_foreign_text_stays_text(text: str) -> None:
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "best: &lt;i&gt;" in text
    assert "TIES <b>" not in text


def test_the_best_is_bold_and_the_experts_are_a_line(text: str) -> None:
    table = text.split('<table class="bars">')[1].split("</table>")[0]
    assert table.count("<strong>70.0</strong>") == 3
    assert 'style="--v:70.0;--e:90.0"><strong>70.0</strong>' in table
    assert table.count('class="reference"') == 2


def test_what_sums_up_many_tasks_stands_first_and_the_spread_is_no_bar(tmp_path: Path) -> None:
    tasks = [f"t{index}" for index in range(9)]
    accuracies = {"ind": [90.0 + index for index in range(9)], "ties": [50.0 + 2 * index for index in range(9)]}
    path = tmp_path / "results/report.html"
    write_report(path, TEMPLATES, [make_section(tmp_path / "results", accuracies, tasks=tasks)])
    table = path.read_text(encoding="utf-8").split('<table class="bars">')[1].split("</table>")[0]
    headers = [line.split(">")[1].split("<")[0] for line in table.splitlines() if 'scope="col"' in line]
    assert headers == ["Method", "Average", "Worst task", "Spread", "Normalised", *tasks, "Looks at"]
    _, ties = table.split("TIES")
    cells = re.findall(r"<td.*?</td>", ties)
    assert ["--v:58.0;--e:94.0" in cells[0], "--v:50.0;--e:90.0" in cells[1]] == [True, True]
    assert "5.2" in cells[2]
    assert "--v" not in cells[2]


def test_several_sections_have_an_index_with_all_averages(tmp_path: Path) -> None:
    first = full_section(tmp_path / "results")
    path = tmp_path / "results/report.html"
    other = make_section(tmp_path / "results", {"pre": 40.0, "avg": 55.0}, pool="q", scored=["digits"])
    write_report(path, TEMPLATES, [first, other])
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert max(Counter(page.values("id")).values()) == 1
    index = text.split('id="index"')[1].split("</section>")[0]
    assert '<th scope="row">AdaMerging</th>' in index
    assert "<strong>55.0</strong> (1/2)" in index
    assert "<strong>70.0</strong>" in index


def test_a_run_of_references_alone_still_has_a_page(tmp_path: Path) -> None:
    path = tmp_path / "results/report.html"
    write_report(path, TEMPLATES, [make_section(tmp_path / "results", {"pre": 40.0})])
    Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def drawn(results: Path) -> Path:
    """The page with its figures to look into."""
    convert = pytest.importorskip("vl_convert")
    path = results / "drawn.html"
    write_report(path, TEMPLATES, [full_section(results)], convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    return path


@pytest.fixture
def browser() -> Iterator[Browser]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, Browser(Path(profile)) as opened:
        yield opened


DRAWN = """new Promise(resolve => {
  const holders = [...document.querySelectorAll(".chart")];
  for (const holder of holders) holder.closest(".part").style.contentVisibility = "visible";
  const wait = () => {
    const left = holders.find(holder => !("drawn" in holder.dataset));
    left?.scrollIntoView();
    left ? setTimeout(wait, 20) : resolve();
  };
  wait();
})"""


@needs_chromium
def test_a_browser_shows_it_without_an_error_or_a_request(drawn: Path, browser: Browser) -> None:
    browser.open(drawn)
    browser.evaluate(DRAWN)
    assert browser.evaluate("document.querySelectorAll('.chart svg path').length") > 3
    for width in (1280, 390):
        browser.resize(width, 800)
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith(("data:", "blob:"))] == [drawn.as_uri()]


@needs_chromium
def test_a_method_can_be_switched_off_and_on(drawn: Path, browser: Browser) -> None:
    browser.open(drawn)
    browser.evaluate(DRAWN)
    curves = "document.getElementById('p/s/figure/scalings')"
    marks = f"{curves}.querySelectorAll('svg .mark-line path').length"
    settled = f"new Promise(resolve => setTimeout(() => resolve({marks}), 300))"
    before = browser.evaluate(marks)
    browser.evaluate(f"{curves}.querySelector('input[value=ties]').click()")
    assert browser.evaluate(settled) == before - 1
    browser.evaluate(f"{curves}.querySelector('[data-all]').click()")
    assert browser.evaluate(settled) == before


@needs_chromium
def test_the_keyboard_is_enough(results: Path, browser: Browser) -> None:
    """To skip to the results, sort a table, and filter claims; what has the focus says so."""
    browser.open(results / "report.html")
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.className") == "skip"
    browser.press("Enter")
    assert browser.evaluate("location.hash") == "#content"
    browser.evaluate("document.querySelector('.bars thead th:nth-child(2) button').focus()")
    order = "[...document.querySelector('.bars').tBodies[0].rows].map(row => row.cells[0].textContent)"
    browser.press("Enter")
    descending = browser.evaluate(order)
    browser.press("Enter")
    assert browser.evaluate(order)[:2] == ["Pretrained", "Averaging"]
    assert descending[:2] == ["Individual", "EMR"]
    browser.evaluate("document.querySelector('[data-verdict=\"does not hold\"]').focus()")
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    browser.press("Enter")
    shown = "[...document.querySelectorAll('.claims > li:not([hidden])')].map(claim => claim.dataset.verdict)"
    assert browser.evaluate(shown) == ["does not hold"]
    assert browser.evaluate("document.querySelector('[data-filter] output').textContent") == "1 of 3 claims"


@needs_chromium
def test_a_button_copies_the_file(results: Path, browser: Browser) -> None:
    browser.open(results / "report.html")
    browser.evaluate("navigator.clipboard.writeText = async text => { window.copied = text; }")
    name = "p/tables/s/my-study.tex"
    browser.evaluate(f"document.querySelector('[data-copy=\"{name}\"]').click()")
    assert browser.evaluate("window.copied") == (results / name).read_text(encoding="utf-8")
    assert name in browser.evaluate("document.getElementById('told').textContent")


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The code of axe-core."""
    folder = tmp_path_factory.mktemp("axe")
    try:
        command = ["npm", "pack", "axe-core@4", "--silent"]
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True).stdout
        subprocess.run(["tar", "-xzf", packed.strip()], cwd=folder, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"axe-core cannot be had: {error}")
    return (folder / "package/axe.min.js").read_text(encoding="utf-8")


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(drawn: Path, browser: Browser, axe: str, scheme: str) -> None:
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(drawn)
    browser.evaluate(DRAWN)
    browser.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    browser.evaluate(f"{axe}; null")
    found = browser.evaluate("axe.run().then(told => told.violations.map(each => [each.impact, each.id, "
                             "each.nodes.map(node => node.html.slice(0, 200))]))")  # fmt: skip
    assert [each for each in found if each[0] in ("serious", "critical")] == []
