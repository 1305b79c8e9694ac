"""Make an archive's tables and figures again, without any model.

Says whether they are the same as in the archive, byte for byte.
"""

import argparse
from importlib import import_module
from pathlib import Path

from remerge.errors import RemergeError
from remerge.run.archive import rebuild
from remerge.run.provenance import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command line may say."""
    parser.add_argument("archive", type=Path, help="what `remerge archive` wrote")
    parser.add_argument("--out", type=Path, required=True, help="an empty folder")


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says.

    Raises:
        RemergeError: Some files are not the same, or it is no archive.
    """
    # Missing packages are reported before anything is unpacked.
    for package in ("matplotlib", "pandas", "pydantic", "yaml"):
        import_module(package)
    same, different = rebuild(arguments.archive, arguments.out, ROOT)
    print(f"{len(same)} files of tables and figures made again, byte for byte the same")
    if different:
        raise RemergeError("not the same as in the archive: " + ", ".join(different))
