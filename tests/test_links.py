"""Links and names of files, in documents, and names of the library's parts, in docstrings, lead somewhere."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from project import ROOT

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(path for part in ("config", "docs", "published") for path in (ROOT / part).glob("*.md"))]
)
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
# Runs make what is in other folders.
FILE = re.compile(
    r"(?<![\w./{-])(?:config|docs|envs|profiles|published|remerge|scripts|tests|workflow)/[a-z][\w./-]*\w/?"
)
RECIPE = re.compile(r"/(?:NAME|KIND)\b|/KIND_")
REFERENCE = re.compile(r":(?:attr|class|data|func|meth|mod):`(remerge[\w.]*)`")


def anchors(document: Path) -> set[str]:
    """What headings are linked by, as GitHub makes it of them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_and_names_of_files_lead_somewhere(document: Path) -> None:
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    links = [urlsplit(link) for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [
        (document.parent / link.path if link.path else document, link.fragment) for link in links if not link.netloc
    ]
    lost = [str(path) for path, _ in local if not path.exists()]
    lost += [
        f"{path}#{anchor}" for path, anchor in local if path.suffix == ".md" and anchor and anchor not in anchors(path)
    ]
    lost += [name for name in FILE.findall(text) if not RECIPE.search(name) and not (ROOT / name).exists()]
    assert not lost


def test_docstrings_name_what_is_there() -> None:
    lost = []
    for path in sorted((ROOT / "remerge").rglob("*.py")):
        for name in REFERENCE.findall(path.read_text(encoding="utf-8")):
            parts = name.split(".")
            paths = [ROOT.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
            depth = sum(path.is_dir() or path.with_suffix(".py").is_file() for path in paths)
            module = (
                paths[depth - 1] / "__init__.py" if paths[depth - 1].is_dir() else paths[depth - 1].with_suffix(".py")
            )
            code = module.read_text(encoding="utf-8")
            defined = (rf"^ *(?:(?:def|class) {part}\b|{part} ?[:=])" for part in parts[depth:])
            if not all(re.search(definition, code, re.MULTILINE) for definition in defined):
                lost.append(f"{path.relative_to(ROOT)}: {name}")
    assert not lost
