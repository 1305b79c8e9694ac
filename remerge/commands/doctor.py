"""Check whether this machine can run a configuration.

Downloads nothing. Exits with status 1 if something will fail.
"""

import argparse
import sys
from pathlib import Path

from remerge.doctor import examine, report
from remerge.errors import RemergeError
from remerge.run.provenance import ROOT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--configfile", type=Path, help="a configuration that overrides config.yaml, as for snakemake")
    parser.add_argument("--workflow-profile", type=Path, help="the profile of a cluster, as for snakemake")
    parser.add_argument("--short", action="store_true", help="print only failures and warnings, with remedies")


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        RemergeError: There is no workflow to check.
    """
    checkout = next((folder for folder in (ROOT, Path.cwd()) if (folder / "Snakefile").is_file()), None)
    if checkout is None:
        raise RemergeError("there is no workflow here: run `remerge doctor` in a checkout, where the Snakefile is")
    checks = examine(checkout, arguments.configfile, profile=arguments.workflow_profile)
    if text := report(checks, short=arguments.short):
        print(text, flush=True)
    if any(check.verdict == "will fail" for check in checks):
        sys.exit(1)
