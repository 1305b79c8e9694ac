"""Pack tables, figures, scores and provenance into one zip.

It holds what the last finished run made, without weights and images; `remerge rebuild`
makes the tables and figures from it again.
"""

import argparse
from pathlib import Path

from remerge.run.archive import pack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command line may say."""
    parser.add_argument("archive", type=Path, help="the zip file to write")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the results folder (default: results)")


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    print(f"{pack(arguments.results, arguments.archive)} files in {arguments.archive}")
