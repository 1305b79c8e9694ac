"""Print the main tables of the last finished run.

Also prints where its tables, figures and report are.
"""

import argparse
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
        table = folder / pool / "tables" / suite / "main.md"
        parts.append(f"Pool {pool}, suite {suite}\n\n{table.read_text(encoding='utf-8')}")
        parts.append(f"Tables   {table.parent}\nFigures  {folder / pool / 'figures' / suite}")
        if over_seeds := section["tables"].get("main_over_seeds"):
            path = folder / Path(over_seeds).relative_to("results")
            parts.append(f"Suite {suite} over training seeds\n\n{path.read_text(encoding='utf-8')}")
    return "\n".join([*parts, f"Report   {folder / REPORT}"])
