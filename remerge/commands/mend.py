"""Set damaged results aside, so that the next run makes them again.

Also removes half-written files of killed processes. Refuses while a run may be in progress.
"""

import argparse
from pathlib import Path

from remerge.errors import RemergeError
from remerge.run.provenance import DAMAGED, mend


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("results"), help="the results folder (default: results)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command, and print the names of damaged and removed files.

    Raises:
        RemergeError: There is no such folder, or a run may be in progress.
    """
    folder: Path = arguments.folder
    if not folder.is_dir():
        raise RemergeError(f"{folder}: no such folder; name the results folder")
    if any((folder.parent / ".snakemake" / "locks").glob("*")):
        raise RemergeError(f"{folder}: locked by a run; wait for it, or if it was killed, run `snakemake --unlock`")
    damaged, removed = mend(folder)
    lines = [f"{name}: damaged since made, now {name}{DAMAGED}" for name in damaged]
    lines += [f"{name}: half-written, removed" for name in removed]
    print("\n".join(lines) or f"{folder}: nothing is damaged")
