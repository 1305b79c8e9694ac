"""Check of the cluster: the partitions that a SLURM profile names."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from remerge.doctor.check import Check


def partitions(profile: Path) -> Check:
    """Check that this cluster has the partitions that a profile names.

    Args:
        profile: The profile's folder, as given to Snakemake.
    """
    import yaml

    file = profile / "config.yaml"
    try:
        named = set(_named(yaml.safe_load(file.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return Check("cluster", "will fail", f"{file} cannot be read: {error}", "name the folder of a profile")
    if not named:
        return Check("cluster", "fine", f"{file} names no SLURM partition")
    if shutil.which("sinfo") is None:
        remedy = "run this on the cluster's login node"
        return Check(
            "cluster",
            "cannot tell",
            f"sinfo, which lists partitions, is not installed here; {file} names {', '.join(sorted(named))}",
            remedy,
        )
    try:
        run = subprocess.run(["sinfo", "-h", "-o", "%P"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("cluster", "cannot tell", f"sinfo failed: {error}", "run sinfo, and see what it prints")
    # An asterisk marks the default.
    there = {name.rstrip("*") for name in run.stdout.split()}
    if missing := sorted(named - there):
        message = f"{file} names {', '.join(missing)}; this cluster has {', '.join(sorted(there))}"
        return Check("cluster", "will fail", message, "correct slurm_partition there")
    return Check("cluster", "fine", f"has the partitions {', '.join(sorted(named))}")


def _named(content: Any) -> Iterator[str]:
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == "slurm_partition":
            yield from str(value).split(",")
        else:
            yield from _named(value)
