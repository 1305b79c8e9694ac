"""A stand-in for conda: environments made by uv from exactly the pins of a YAML file's pip section.

It answers what Snakemake asks and no more; it shows that an environment file is complete, not that conda solves it.
"""

import json
import subprocess
import sys
from pathlib import Path

import yaml

UV = Path(sys.executable).with_name("uv")


def create(file: Path, prefix: Path) -> None:
    """Make an environment."""
    pins = next(entry["pip"] for entry in yaml.safe_load(file.read_text())["dependencies"] if isinstance(entry, dict))
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, prefix], check=True)
    requirements = prefix / "pins.txt"
    requirements.write_text("\n".join(pins))
    python = prefix / "bin" / "python"
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, "--no-deps", "-r", requirements], check=True)
    # A conda environment has a history, and Snakemake looks for it.
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta" / "history").touch()


def main() -> None:
    """Answer one call."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["info"]:
        root = Path(__file__).parent
        print(json.dumps({"conda_prefix": str(root), "platform": "linux-64", "root_prefix": str(root)}))
    elif arguments[:1] == ["--version"]:
        print("conda 25.5.1")
    elif arguments[:1] == ["config"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif "create" in arguments:
        file, prefix = (Path(arguments[arguments.index(name) + 1]) for name in ("--file", "--prefix"))
        create(file, prefix)


if __name__ == "__main__":
    main()
