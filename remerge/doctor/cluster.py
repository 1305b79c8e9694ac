"""Check of the cluster: the partitions that the SLURM profile names."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from remerge.doctor.check import Check


def partitions(profile: Path) -> Check:
    """Whether this cluster has the partitions that a profile names, where this is a cluster."""
    if shutil.which("sinfo") is None:
        return Check("cluster", "fine", "not a cluster")
    try:
        run = subprocess.run(["sinfo", "-h", "-o", "%P"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("cluster", "cannot tell", f"sinfo gives no answer: {error}", "look at what sinfo prints")
    # An asterisk marks the default.
    there = {name.rstrip("*") for name in run.stdout.split()}
    named = set(_named(yaml.safe_load(profile.read_text(encoding="utf-8"))))
    if missing := sorted(named - there):
        told = f"{profile} names {', '.join(missing)}; this cluster has {', '.join(sorted(there))}"
        return Check("cluster", "will fail", told, "correct slurm_partition there before --workflow-profile names it")
    return Check("cluster", "fine", f"has the partitions {', '.join(sorted(named))}")


def _named(content: Any) -> Iterator[str]:
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == "slurm_partition":
            yield from str(value).split(",")
        else:
            yield from _named(value)
