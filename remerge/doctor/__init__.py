"""Whether this machine can run a configuration, said before anything large is fetched."""

from pathlib import Path

import yaml
from huggingface_hub import constants
from snakemake.utils import update_config

from remerge.config import Config, load_config
from remerge.doctor import cluster, disk, gpu, machine
from remerge.doctor.check import Check, lines
from remerge.doctor.downloads import drive_folder, repositories
from remerge.downloads.wanted import wanted_from_hub
from remerge.errors import RemergeError
from remerge.strict_yaml import read_yaml

__all__ = ["Check", "configuration", "examine", "report"]


def configuration(root: Path, file: Path | None) -> Config:
    """Return the configuration of a project, a file laid over it as Snakemake does.

    Raises:
        ConfigError: It cannot be run.
    """
    files = [root / "config.yaml", *([file] if file else [])]
    values: dict[str, object] = {}
    for each in files:
        update_config(values, read_yaml(each))
    return load_config(values, files)


def examine(root: Path, file: Path | None, results: Path = Path("results")) -> list[Check]:
    """Return everything that was looked at.

    Args:
        root: The project's folder.
        file: A file laid over its ``config.yaml``.
        results: Where results will go.
    """
    checks = [machine.packages(root / "pyproject.toml")]
    try:
        config = configuration(root, file)
    except RemergeError as error:
        return [*checks, Check("configuration", "will fail", str(error), "correct it as the message says")]
    needs = yaml.safe_load((root / "workflow" / "resources.yaml").read_text(encoding="utf-8"))
    checks += [*gpu.gpus(config), machine.memory(config, needs), *machine.folders(config)]
    downloaded, to_fetch = _downloads(config)
    checks += [*disk.disks(config, results, to_fetch), *downloaded, machine.conda()]
    return [*checks, cluster.partitions(root / "profiles" / "slurm" / "config.yaml")]


def _downloads(config: Config) -> tuple[list[Check], dict[Path, int]]:
    wanted = wanted_from_hub(config)
    if not wanted and not any(pool.is_published for pool in config.pools.values()):
        return [Check("downloads", "fine", "none")], {}
    checks, size = repositories(wanted)
    return [*checks, *drive_folder(config)], {Path(constants.HF_HUB_CACHE): size}


def report(checks: list[Check], *, short: bool = False) -> str:
    """Return checks as text; the short form has only what will fail, and is empty when nothing does."""
    return "\n".join(lines(check) for check in checks if not short or check.verdict == "will fail")
