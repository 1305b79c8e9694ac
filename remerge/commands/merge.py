"""Merge safetensors checkpoints of any size by a data-free method.

A checkpoint is a file, or a folder of several files with an index. They are merged tile
by tile, so together they may be larger than memory.
"""

import argparse
from pathlib import Path

from remerge.errors import RemergeError

DATA_FREE = ("weight_averaging", "task_arithmetic", "ties")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command line may say."""
    parser.add_argument("--method", choices=DATA_FREE, required=True, help="how to merge")
    parser.add_argument(
        "--pretrained", metavar="PATH", type=Path, required=True, help="file or folder of the common starting point"
    )
    parser.add_argument(
        "--finetuned", metavar="PATH", type=Path, nargs="+", required=True, help="the same of each task's model"
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="folder for the merged checkpoint")
    parser.add_argument("--scaling", type=float, help="merging coefficient lambda (0.3); weight_averaging has none")
    parser.add_argument("--keep", type=float, default=0.2, help="ties: share of entries that survive trimming (0.2)")
    parser.add_argument("--merge", choices=("sum", "mean", "max"), default="sum", help="ties: disjoint merge (sum)")


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says.

    Raises:
        RemergeError: An argument does not fit the method, or the checkpoints do not fit together.
    """
    from remerge.merging.checkpoints import merge_checkpoints

    averages = arguments.method == "weight_averaging"
    if averages and arguments.scaling is not None:
        raise RemergeError("--scaling: weight_averaging has none; remove it")
    parameters = {"keep": arguments.keep, "merge": arguments.merge} if arguments.method == "ties" else {}
    scaling = 1.0 if averages else 0.3 if arguments.scaling is None else arguments.scaling
    merge_checkpoints(
        arguments.method,
        arguments.pretrained,
        arguments.finetuned,
        arguments.out,
        scaling=scaling,
        parameters=parameters,
    )
    print(f"{arguments.method} of {len(arguments.finetuned)} checkpoints, scaling {scaling:g}, in {arguments.out}")
