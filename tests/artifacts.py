"""Every artifact of a run, to compare with an undisturbed run's."""

from pathlib import Path

FOLDERS = ("weights", "heads", "task_vectors", "statistics", "coefficients", "merged_task_vectors", "merged", "scores")
PATTERNS = (
    *(f"*/{folder}/**/*" for folder in (*FOLDERS, "sweeps", "trajectories", "studies", "tables")),
    *("images/**/*", "*/figures/**/*.png"),
)


def contents(folder: Path) -> dict[str, bytes]:
    """Every artifact under its final name, but for costs, which are measured."""
    files = {path for pattern in PATTERNS for path in (folder / "results").glob(pattern) if path.is_file()}
    kept = [path for path in sorted(files) if not (path.name.startswith((".", "cost.")) or path.suffix == ".damaged")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def unequal(folder: Path, expected: dict[str, bytes]) -> list[str]:
    """Artifacts that are there and are not what an undisturbed run makes."""
    return [name for name, content in contents(folder).items() if expected.get(name) != content]
