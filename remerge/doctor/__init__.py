"""Checks whether this machine can run a configuration, before anything large is downloaded.

Checks import the packages they need themselves, so that a missing package is reported like any other fault.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from remerge.doctor import cluster, gpu, machine
from remerge.doctor.check import INSTALL, Check, lines
from remerge.errors import RemergeError

if TYPE_CHECKING:
    from remerge.config import Config

__all__ = ["Check", "configuration", "examine", "report"]


def configuration(root: Path, file: Path | None) -> "Config":
    """Return the configuration of a project, merged with another file as Snakemake does.

    Raises:
        ConfigError: The configuration has faults.
        ImportError: A package needed to read it is missing.
    """
    from snakemake.utils import update_config

    from remerge.config import load_config
    from remerge.run.strict_yaml import read_yaml

    files = [root / "config.yaml", *([file] if file else [])]
    values: dict[str, object] = {}
    for each in files:
        update_config(values, read_yaml(each))
    return load_config(values, files)


def examine(root: Path, file: Path | None, results: Path = Path("results"), profile: Path | None = None) -> list[Check]:
    """Return all checks.

    Args:
        root: The project's folder.
        file: A file that overrides parts of its ``config.yaml``.
        results: The results folder.
        profile: The folder of the run's profile; without one, no cluster is checked.
    """
    checks = _guarded("packages", lambda: [machine.packages(root / "pyproject.toml")])
    try:
        config = configuration(root, file)
    except RemergeError as error:
        return [*checks, Check("configuration", "will fail", str(error), "correct it as the message says")]
    except ImportError as error:
        return [*checks, _unimportable("configuration", error)]
    fetched: dict[Path, int] = {}
    downloads = _guarded("downloads", lambda: _downloads(config, fetched))
    checks += _guarded("GPU", lambda: gpu.gpus(config))
    checks += _guarded("memory", lambda: _memory(config, root / "workflow" / "resources.yaml"))
    checks += _guarded("folders", lambda: machine.folders(config))
    checks += _guarded("lock file", lambda: _lock_file(config))
    checks += _guarded("disk", lambda: _disks(config, results, fetched))
    checks += [*downloads, machine.conda()]
    return checks + (_guarded("cluster", lambda: [cluster.partitions(profile)]) if profile else [])


def _guarded(name: str, look: Callable[[], Iterable[Check]]) -> list[Check]:
    try:
        return list(look())
    except ImportError as error:
        return [_unimportable(name, error)]
    # An unexpected error on an unusual machine is reported as a line too, and must not hide other checks.
    except Exception as error:
        return [Check(name, "cannot tell", f"{type(error).__name__}: {error}")]


def _unimportable(name: str, error: ImportError) -> Check:
    return Check(name, "will fail", f"cannot be checked: {error}", INSTALL)


def _lock_file(config: "Config") -> list[Check]:
    from remerge.downloads.lock import check_lock, read_lock

    if config.downloads is None:
        return []
    try:
        check_lock(read_lock(config.downloads), config)
    except RemergeError as error:
        return [Check("lock file", "will fail", str(error), "correct it as the message says")]
    return [Check("lock file", "fine", config.downloads)]


def _memory(config: "Config", needs: Path) -> list[Check]:
    import yaml

    return [machine.memory(config, yaml.safe_load(needs.read_text(encoding="utf-8")))]


def _disks(config: "Config", results: Path, fetched: dict[Path, int]) -> list[Check]:
    from remerge.doctor import disk

    return disk.disks(config, results, fetched)


def _downloads(config: "Config", fetched: dict[Path, int]) -> list[Check]:
    from huggingface_hub import constants

    from remerge.doctor.disk import hub_bytes
    from remerge.doctor.downloads import drive_folder, repositories
    from remerge.plan.downloads import Downloads

    wanted = Downloads(config).repositories()
    if not wanted and not any(pool.is_downloaded for pool in config.pools.values()):
        return [Check("downloads", "fine", "none")]
    checks, fetched[Path(constants.HF_HUB_CACHE)] = repositories(wanted)
    message = f"about {hub_bytes(config) / 1e9:.1f} GB from the Hub in all, cached in {constants.HF_HUB_CACHE}"
    return [Check("downloads", "fine", message), *checks, *drive_folder(config)]


def report(checks: list[Check], *, short: bool = False) -> str:
    """Return checks as text; the short form has only failures and warnings, and is empty when there are none."""
    kept = [check for check in checks if not short or check.verdict in ("will fail", "warning")]
    return "\n".join(map(lines, kept))
