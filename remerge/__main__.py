"""``python -m remerge``: what can be asked from a terminal."""

import argparse
from pathlib import Path


def show_results(folder: Path) -> str:
    """Return every main table under a results folder, and where the tables, figures and the report lie."""
    tables = sorted(folder.glob("*/tables/*/main.md"))
    if not tables:
        return f"No main table under {folder}: run `snakemake --cores all` first."
    parts = []
    for table in tables:
        pool, suite = table.parts[-4], table.parts[-2]
        parts.append(f"Pool {pool}, suite {suite}\n\n{table.read_text(encoding='utf-8')}")
        parts.append(f"Tables   {table.parent}\nFigures  {folder / pool / 'figures' / suite}")
    report = folder / "report.html"
    if report.exists():
        parts.append(f"Report   {report}")
    return "\n".join(parts)


def main() -> None:
    """Read the command line and answer."""
    parser = argparse.ArgumentParser(prog="python -m remerge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    results = commands.add_parser("results", help="print the main tables and where everything lies")
    results.add_argument("folder", nargs="?", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    print(show_results(arguments.folder))


if __name__ == "__main__":
    main()
