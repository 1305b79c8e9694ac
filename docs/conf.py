"""How Sphinx makes a site (`make site`) of the documents, as they are, and of the docstrings."""

import re
from collections.abc import Iterable
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

import remerge
from remerge.methods.registry import ALGORITHMS

ROOT = Path(__file__).parent.parent
FOLDERS = ("config", "docs", "published")


def documented(folder: str, modules: Iterable[str]) -> str:
    """Return, for MyST, a heading, the source and the docstrings of every module of a folder of the library."""
    return "\n".join(
        f"### `{module}`\n\nOf [remerge/{folder}/{module}.py](../remerge/{folder}/{module}.py):\n\n"
        f"```{{eval-rst}}\n.. automodule:: remerge.{folder}.{module}\n   :members:\n```"
        for module in modules
    )


project = "remerge"
html_title = f"remerge {remerge.__version__}"
html_theme = "furo"
html_show_copyright = False
html_extra_path = ["index.html"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# Slow to import, and in no signature.
autodoc_mock_imports = ["open_clip", "torchvision"]
# Each page's contents lists headings, not every function.
toc_object_entries = False

root_doc = "docs/README"
include_patterns = ["*.md", *(f"{folder}/*.md" for folder in FOLDERS)]
# Results and environments have too many files to look through.
exclude_patterns = [path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in FOLDERS]

# As code hosts name headings.
myst_heading_anchors = 3
myst_enable_extensions = ["substitution"]
myst_substitutions = {
    "functions": "\n".join(f"```{{eval-rst}}\n.. autofunction:: remerge.{name}\n```" for name in remerge.__all__),
    "merging": documented("merging", (path.stem for path in sorted((ROOT / "remerge/merging").glob("[a-z]*.py")))),
    "methods": documented("methods", ALGORITHMS),
    "shared": documented("methods", ("registry", "parameters", "plug_ins", "matrix_methods")),
}

nitpicky = True
nitpick_ignore_regex = [
    # Types in signatures, most of them of other packages.
    ("py:class", ".*"),
    # Of torch, and of the workflow, which has no pages; tests/test_links.py looks for these.
    ("py:.*", r"(torch|remerge\.(?!merging\.|methods\.)).*"),
]
# `Around`, an annotation, is the name of two classes.
suppress_warnings = ["ref.python"]


def add_sidebar(app: Sphinx, name: str, source: list[str]) -> None:
    """Make a sidebar of the pages that docs/README.md links to, with a part for each heading."""
    if name == app.config.root_doc:
        for heading, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", source[0], re.MULTILINE | re.DOTALL):
            pages = re.sub(r"^- \[(.+)\]\((.+)\).*$", r"\1 <\2>", text, flags=re.MULTILINE)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n{pages}\n```\n"


def show_folders_as_text(app: Sphinx, document: nodes.document) -> None:
    """Replace links to folders, of which there are no pages, by their text."""
    folder = Path(document["source"]).parent
    for link in list(document.findall(pending_xref)):
        if link["reftype"] == "myst" and (folder / link["reftarget"]).is_dir():
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Have Sphinx call both."""
    app.connect("source-read", add_sidebar)
    app.connect("doctree-read", show_folders_as_text)
