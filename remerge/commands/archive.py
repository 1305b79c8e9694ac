"""Pack tables, figures, scores and provenance into one zip.

It holds the last finished run, without weights and images. `remerge rebuild` rebuilds
its tables and figures.
"""

import argparse
from pathlib import Path

from remerge.run.archive import pack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("archive", type=Path, help="the zip file to write")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the results folder (default: results)")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    print(f"{pack(arguments.results, arguments.archive)} files in {arguments.archive}")
