"""The site has every document and the public library, its links lead somewhere, and it loads nothing from elsewhere."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from browser import CHROMIUM, Browser
from project import ROOT
from test_links import DOCUMENTS

import remerge
from remerge.config.models import Config
from remerge.methods.registry import ALGORITHMS
from remerge.plan import Plan

START = "docs/README.html"
IN_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""")


class Page(HTMLParser):
    """A page's ids, the addresses that it links to, and those that it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            elif name == "href":
                # Of <link>, search engines alone follow some; the site has none of these.
                (self.links if tag == "a" else self.loaded).append(value or "")
            elif name in ("src", "srcset", "poster", "data", "action"):
                self.loaded.append(value or "")
            elif name == "style":
                self.loaded += IN_STYLE.findall(value or "")


def build(documents: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Make a site as `make site` does."""
    options = ["--quiet", "--fail-on-warning", "--conf-dir", str(documents / "docs")]
    command = [sys.executable, "-m", "sphinx", *options, str(documents), str(site)]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    made = build(ROOT, folder)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def leads_to(page: Path, link: str) -> tuple[Path, str]:
    """The file and the anchor of a link."""
    address = urlsplit(link)
    return (page.parent / unquote(address.path) if address.path else page).resolve(), unquote(address.fragment)


def test_the_sidebar_has_every_document(site: Path, pages: dict[Path, Page]) -> None:
    assert START in (site / "index.html").read_text(encoding="utf-8")
    linked = {leads_to(site / START, link)[0] for link in pages[site / START].links}
    assert {(site / path.relative_to(ROOT)).with_suffix(".html") for path in DOCUMENTS} <= linked


def test_the_reference_has_the_public_library_and_every_method(site: Path, pages: dict[Path, Page]) -> None:
    reference, methods = pages[site / "docs/api.html"].ids, pages[site / "docs/methods.html"].ids
    assert {f"remerge.{name}" for name in remerge.__all__} <= reference
    assert "remerge.merging.rules.MergeRule.merge_matrix" in reference
    assert {f"module-remerge.methods.{name}" for name in ALGORITHMS} <= methods


def test_links_lead_somewhere(pages: dict[Path, Page]) -> None:
    lost = []
    for page, content in pages.items():
        for link in content.links:
            if not urlsplit(link).scheme:
                path, anchor = leads_to(page, link)
                if not path.is_file() or (anchor and path in pages and anchor not in pages[path].ids):
                    lost.append(f"{page.name}: {link}")
    assert lost == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    loaded = {address for page in pages.values() for address in page.loaded}
    for path in site.rglob("*.css"):
        loaded.update(IN_STYLE.findall(path.read_text(encoding="utf-8")))
    assert len(loaded) > 10
    assert [address for address in loaded if urlsplit(address).netloc] == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("page", [START, "search.html?q=merge", "docs/api.html"])
def test_a_browser_asks_for_files_of_the_site_alone(site: Path, tmp_path: Path, page: str) -> None:
    with Browser(tmp_path) as browser:
        browser.call("Page.navigate", url=f"{site.as_uri()}/{page}")
        browser.evaluate("new Promise(done => addEventListener('load', () => setTimeout(done, 200)))")
        assert browser.requests
        assert [url for url in browser.requests if not url.startswith((site.as_uri(), "data:"))] == []


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("conf.py", "index.html"):
        shutil.copy2(ROOT / "docs" / name, tmp_path / "docs")
    lost = "# Lost\n\n[A page](lost.md), [an anchor](other.md#lost), [a name](#elsewhere), ![a picture](lost.png)\n"
    (tmp_path / "docs" / "README.md").write_text(f"{lost}\n## Pages\n\n- [Other](other.md)\n")
    (tmp_path / "docs" / "other.md").write_text("# Other\n\n```{eval-rst}\n:func:`remerge.merging.lost`\n```\n")
    made = build(tmp_path, tmp_path / "site")
    assert made.returncode == 1
    for each in ("'lost.md'", "'docs/other': 'lost'", "elsewhere", "lost.png", "remerge.merging.lost"):
        assert each in made.stderr


def test_the_gallery_has_every_figure_of_mini_with_its_command() -> None:
    config = Config.model_validate(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
    plan = Plan(config, folders={}, needs={})
    figures = {Path(path).with_suffix(".png") for _, path in plan.report.section("mini", "eight")["figures"].values()}
    text = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\$ snakemake --cores all (results/.*\.png)$", text, re.MULTILINE)
    assert {Path(path) for path in commands} == figures
    shown = {ROOT / "docs" / picture for picture in re.findall(r"\]\((gallery/.*?)\)", text)}
    assert shown == set((ROOT / "docs/gallery").iterdir())
    assert {path.name for path in figures} <= {path.name for path in shown}
