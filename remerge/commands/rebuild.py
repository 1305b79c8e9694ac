"""Rebuild an archive's tables and figures, without any model.

Fails unless they are the same as in the archive, byte for byte.
"""

import argparse
from importlib import import_module
from pathlib import Path

from remerge.errors import RemergeError
from remerge.run.archive import rebuild
from remerge.run.provenance import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("archive", type=Path, help="a zip file from `remerge archive`")
    parser.add_argument("--out", type=Path, required=True, help="an empty folder")


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        RemergeError: Some files differ, or they cannot be rebuilt.
    """
    # Missing packages are reported before anything is unpacked.
    for package in ("matplotlib", "pandas", "pydantic", "yaml"):
        import_module(package)
    same, different = rebuild(arguments.archive, arguments.out, ROOT)
    print(f"{len(same)} files of tables and figures rebuilt, identical byte for byte")
    if different:
        raise RemergeError("not the same as in the archive: " + ", ".join(different))
