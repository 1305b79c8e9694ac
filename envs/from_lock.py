"""Write the conda environments' pins from requirements.lock: one source of versions for both ways to install."""

import re
from pathlib import Path

ROOTS = {
    "torch": [
        "torch",
        "torchvision",
        "open-clip-torch",
        "safetensors",
        "numpy",
        "pandas",
        "scipy",
        "tqdm",
        "pillow",
        "pyarrow",
        "pyyaml",
        "filelock",
        "huggingface-hub",
        "pydantic",
        "tenacity",
        "threadpoolctl",
        "tokenizers",
        "gdown",
    ],
    "light": [
        "numpy",
        "pandas",
        "scipy",
        "matplotlib",
        "pillow",
        "scikit-learn",
        "threadpoolctl",
        "safetensors",
        "tabulate",
        "tqdm",
        "pydantic",
        "pyyaml",
        "jinja2",
        "markdown-it-py",
        "vl-convert-python",
    ],
}

HEADER = """\
# Made from requirements.lock by `make lock`; do not edit. Python is the lock's: packages of the environment
# that runs Snakemake are visible to its scripts, and compiled ones load only under the same minor version.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip=25.0
  - pip:
"""


def read_lock(lock: str) -> tuple[dict[str, list[str]], dict[str, set[str]]]:
    """Return each package's pins (with markers) and the packages that require it, from the ``via`` comments."""
    pins: dict[str, list[str]] = {}
    required_by: dict[str, set[str]] = {}
    name = ""
    for line in lock.splitlines():
        if match := re.match(r"([A-Za-z0-9_.-]+)==", line):
            name = match[1]
            pins.setdefault(name, []).append(line.removesuffix("\\").strip())
        elif match := re.match(r"\s+#\s+(?:via\s+)?([A-Za-z0-9_.-]+)", line):
            required_by.setdefault(name, set()).add(match[1])
    return pins, required_by


def environment(lock: str, roots: list[str]) -> str:
    """Return a conda environment file with the pins of ``roots`` and of everything they require."""
    pins, required_by = read_lock(lock)
    wanted = set(roots)
    while more := {name for name, parents in required_by.items() if parents & wanted} - wanted:
        wanted |= more
    return HEADER + "".join(f'      - "{pin}"\n' for name in sorted(wanted) for pin in pins[name])


if __name__ == "__main__":
    here = Path(__file__).parent
    locked = (here.parent / "requirements.lock").read_text(encoding="utf-8")
    for env, env_roots in ROOTS.items():
        (here / f"{env}.yaml").write_text(environment(locked, env_roots), encoding="utf-8")
