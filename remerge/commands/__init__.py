"""The command line: one module per command.

Each has a docstring, which ``--help`` shows, and functions ``add_arguments(parser)`` and ``run(arguments)``. Packages
beyond the standard library are imported when a command runs, so that help is quick and no command needs more than it
uses.
"""

import argparse
import os
import sys
from types import ModuleType

from remerge import __version__
from remerge.commands import archive, claims, doctor, mend, merge, provenance, rebuild, results
from remerge.errors import RemergeError

GROUPS = {
    "merging checkpoints": (merge,),
    "a workflow's results": (results, claims, provenance, archive, rebuild, mend),
    "before a run": (doctor,),
}

ABOUT = """\
Merge fine-tuned copies of one pre-trained model by arithmetic on their weights,
and read what remerge's workflow measured of merged encoders."""

EXAMPLES = """\
examples:
  remerge merge --method ties --pretrained base/ --finetuned math/ code/ --out merged/
  remerge merge plan.yaml
  remerge claims results/

`remerge COMMAND --help` explains a command. Every command but merge needs results
or a checkout of the workflow; claims, rebuild and doctor also need the workflow's
packages: pip install 'remerge[workflow]'"""


def main() -> None:
    """Run the command that the command line names."""
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has stopped reading; flushing the rest at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ModuleNotFoundError as error:
        needed = f"remerge {arguments.command} needs the workflow's packages: pip install 'remerge[workflow]'"
        sys.exit(f"error: {needed} ({error})")
    except (RemergeError, OSError) as error:
        sys.exit(f"error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="remerge",
        usage="remerge COMMAND ...",
        description="\n\n".join([ABOUT, *(_listing(title, modules) for title, modules in GROUPS.items())]),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"remerge {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", prog="remerge", required=True, help=argparse.SUPPRESS
    )
    for module in (module for modules in GROUPS.values() for module in modules):
        command = commands.add_parser(
            _name(module), description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _listing(title: str, modules: tuple[ModuleType, ...]) -> str:
    """A group of commands, each with the first line of its docstring."""
    lines = [f"  {_name(module):<12}{str(module.__doc__).splitlines()[0].rstrip('.')}" for module in modules]
    return "\n".join([f"{title}:", *lines])


def _name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]
