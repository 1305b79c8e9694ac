"""Print a verdict on every claim of the papers.

Verdicts rest on the score files of the last finished run.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remerge.errors import RemergeError
from remerge.run.last_run import sections
from remerge.run.provenance import FOLDER, ROOT

PUBLISHED = ROOT / "published"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("results"), help="the results folder (default: results)"
    )
    papers = PUBLISHED / "claims.yaml"
    parser.add_argument("--claims", type=Path, default=papers, help="a file of claims (default: the papers')")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    print(show_claims(arguments.folder, arguments.claims))


def show_claims(folder: Path, file: Path) -> str:
    """Return the verdicts for every claims table of the last finished run, from the scores that its job declared.

    Verdicts over several training seeds come first, where there are tables of them.

    Raises:
        RemergeError: No run has finished, there is no record of what a table was made from, or the claims cannot be
            read.
    """
    from remerge.findings.claimed_scores import Scores
    from remerge.findings.claims import of_run, read_claims
    from remerge.findings.claims_tables import claims_markdown, claims_table
    from remerge.methods.measured import read_measured

    claims, measured = read_claims(file), read_measured(PUBLISHED / "methods.yaml")
    parts = []
    tables = {}
    for section in sections(folder):
        path = folder / section["pool"] / "tables" / section["suite"] / "claims.csv"
        inputs, params = _declared_by(folder, path)
        fitted = of_run(claims, params["described"], measured)
        tables[path] = claims_table(fitted, Scores.declared(inputs, params, folder), *_about(folder, inputs, params))
        text = claims_markdown(tables[path], len(claims))
        parts.append(f"Pool {section['pool']}, suite {section['suite']}\n\n{text}")
    return "\n".join(_over_seeds(folder, claims, measured, tables) + parts)


def _over_seeds(
    folder: Path, claims: Mapping[str, Any], measured: Mapping[str, Any], tables: Mapping[Path, Any]
) -> list[str]:
    """The verdicts for every table of claims over seeds, given each pool's verdicts by the path of their table."""
    from remerge.findings.claims import of_run
    from remerge.findings.over_seeds import claims_over_seeds, claims_over_seeds_markdown, scores_by_seed

    parts = []
    for section in sections(folder):
        if "claims_over_seeds" not in section["tables"]:
            continue
        path = folder / section["pool"] / "tables" / section["suite"] / "claims_over_seeds.csv"
        inputs, params = _declared_by(folder, path)
        alone = [tables[folder / Path(place).relative_to("results")] for place in inputs["verdicts"]]
        scores = scores_by_seed(inputs, params, folder)
        by_seed = dict(zip(scores, alone, strict=True))
        fitted = of_run(claims, params["described"], measured)
        table = claims_over_seeds(fitted, scores, by_seed, *_about(folder, inputs, params))
        text = claims_over_seeds_markdown(table, list(scores), len(claims), params["seeded"])
        parts.append(f"Pools {', '.join(params['seeds'])}, suite {path.parts[-2]}\n\n{text}")
    return parts


def _about(folder: Path, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a claims table's job knew beside scores: flags of splits, the pool's architecture and origin, the tasks."""
    from remerge.images.audit import contaminated, read_audit

    flags = contaminated(read_audit(folder / Path(inputs["audit"]).relative_to("results")))
    return flags, params["architecture"], params["origin"], params["tasks"]


def _declared_by(folder: Path, table: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs and parameters of the job that made a claims table."""
    file = folder / FOLDER / table.relative_to(folder).with_name(f"{table.name}.json")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        inputs, params = record["input"], record["parameters"]
        if not ({"scores", "audit"} <= inputs.keys() and {"described", "merged", "kinds"} <= params.keys()):
            raise KeyError("kinds")
    except (OSError, ValueError, KeyError) as error:
        raise RemergeError(
            f"{table}: no record of the scores it was made from ({file}); delete the table and run "
            "`snakemake --cores all` to have both made again"
        ) from error
    return inputs, params
