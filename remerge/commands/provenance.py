"""Print what a result was made from, down to downloads and their hashes."""

import argparse
from pathlib import Path

from remerge.run.provenance import chain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", type=Path, help="a result, such as results/mini/tables/eight/main.md")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    print(chain(arguments.file))
