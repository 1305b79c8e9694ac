"""Print what a result came from, down to downloads and their hashes."""

import argparse
from pathlib import Path

from remerge.run.provenance import chain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command line may say."""
    parser.add_argument("file", type=Path, help="a file in the results folder, as seen from the folder above it")


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    print(chain(arguments.file))
