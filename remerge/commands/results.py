"""Print the main tables of the last finished run.

Also prints where its tables, figures and report are.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from remerge.run.last_run import REPORT, sections


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("results"), help="the results folder (default: results)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    print(show_results(arguments.folder))


def show_results(folder: Path) -> str:
    """Return every main table of the last finished run, and where its tables, figures and report are.

    Raises:
        RemergeError: No run has finished.
    """
    parts = []
    for section in sections(folder):
        pool, suite = section["pool"], section["suite"]
        tables = folder / pool / "tables" / suite
        texts = {name: tables / f"{name}.md" for name in ("main", *section["tables"])}
        parts += [f"Pool {pool}, suite {suite}\n", texts["main"].read_text(encoding="utf-8")]
        parts += _fidelity(texts, "fidelity")
        parts.append(f"Tables   {tables}\nFigures  {folder / pool / 'figures' / suite}")
        if over_seeds := texts.get("main_over_seeds"):
            parts += [f"Suite {suite} over training seeds\n", over_seeds.read_text(encoding="utf-8")]
            parts += _fidelity(texts, "fidelity_over_seeds")
    return "\n".join([*parts, f"Report   {folder / REPORT}"])


def _fidelity(texts: Mapping[str, Path], table: str) -> list[str]:
    """The sentence that a comparison with ViT-B/32 begins with, if there is one."""
    return [texts[table].read_text(encoding="utf-8").partition("\n")[0] + "\n"] if table in texts else []
