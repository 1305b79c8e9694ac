"""``python -m remerge``: what can be asked from a terminal."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remerge.errors import RemergeError
from remerge.run.archive import pack, rebuild
from remerge.run.last_run import REPORT, sections
from remerge.run.provenance import DAMAGED, FOLDER, chain, mend

PUBLISHED = Path(__file__).parent.parent / "published"
DATA_FREE = ("weight_averaging", "task_arithmetic", "ties")


def show_results(folder: Path) -> str:
    """Return every main table of the last finished run, and where its tables, figures and report lie.

    Raises:
        RemergeError: No run has finished.
    """
    parts = []
    for section in sections(folder):
        pool, suite = section["pool"], section["suite"]
        table = folder / pool / "tables" / suite / "main.md"
        parts.append(f"Pool {pool}, suite {suite}\n\n{table.read_text(encoding='utf-8')}")
        parts.append(f"Tables   {table.parent}\nFigures  {folder / pool / 'figures' / suite}")
        if over_seeds := section["tables"].get("main_over_seeds"):
            told = folder / Path(over_seeds).relative_to("results")
            parts.append(f"Suite {suite} over training seeds\n\n{told.read_text(encoding='utf-8')}")
    return "\n".join([*parts, f"Report   {folder / REPORT}"])


def show_claims(folder: Path, file: Path) -> str:
    """Return the verdicts for every claims table of the last finished run, from the scores that its job declared.

    Verdicts over several training seeds come first, where there are tables of them.

    Raises:
        RemergeError: No run has finished, there is no record of what a table was made from, or the claims cannot be
            read.
    """
    # Reading claims takes pydantic and pandas, which the other commands do without.
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
        fitted = of_run(claims, params.get("described", {}), measured)
        tables[path] = claims_table(fitted, Scores.declared(inputs, params, folder), *_about(folder, inputs, params))
        text = claims_markdown(tables[path], len(claims))
        parts.append(f"Pool {section['pool']}, suite {section['suite']}\n\n{text}")
    return "\n".join(_claims_over_seeds(folder, claims, measured, tables) + parts)


def _claims_over_seeds(
    folder: Path, claims: Mapping[str, Any], measured: Mapping[str, Any], tables: Mapping[Path, Any]
) -> list[str]:
    """The verdicts for every table of claims over seeds, given each pool's own verdicts by their table's place."""
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
        verdicts = dict(zip(scores, alone, strict=True))
        fitted = of_run(claims, params.get("described", {}), measured)
        table = claims_over_seeds(fitted, scores, verdicts, *_about(folder, inputs, params))
        text = claims_over_seeds_markdown(table, list(scores), len(claims), params["seeded"])
        parts.append(f"Pools {', '.join(params['seeds'])}, suite {path.parts[-2]}\n\n{text}")
    return parts


def _about(folder: Path, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a claims table's job knew beside scores: flags of splits, the pool's architecture and origin, the tasks."""
    from remerge.images.audit import contaminated, read_audit

    flags = contaminated(read_audit(folder / Path(inputs["audit"]).relative_to("results")))
    return flags, params["architecture"], params["origin"], params.get("tasks", ())


def _declared_by(folder: Path, table: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs and parameters of the job that made a claims table."""
    record = folder / FOLDER / table.relative_to(folder).with_name(f"{table.name}.json")
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
        inputs, params = told["input"], told["parameters"]
        if not ({"scores", "audit"} <= inputs.keys() and {"methods", "merged", "kinds"} <= params.keys()):
            raise KeyError("methods")
    except (OSError, ValueError, KeyError) as error:
        raise RemergeError(
            f"{table}: no record of the scores it was made from ({record}); delete the table and run "
            "`snakemake --cores all` to have both made again"
        ) from error
    return inputs, params


def merge_checkpoints(given: argparse.Namespace) -> None:
    """Merge checkpoints as the command line says.

    Raises:
        RemergeError: An argument does not fit the method, or the checkpoints do not fit together.
    """
    # It imports torch, which the other commands do without.
    from remerge.merging.checkpoints import merge_checkpoints

    averages = given.method == "weight_averaging"
    if averages and given.scaling is not None:
        raise RemergeError("--scaling: weight_averaging has none; remove it")
    parameters = {"keep": given.keep, "merge": given.merge} if given.method == "ties" else {}
    scaling = 1.0 if averages else 0.3 if given.scaling is None else given.scaling
    merge_checkpoints(
        given.method, given.pretrained, given.finetuned, given.out, scaling=scaling, parameters=parameters
    )
    print(f"{given.method} of {len(given.finetuned)} checkpoints, scaling {scaling:g}, in {given.out}")


def rebuild_archive(given: argparse.Namespace) -> None:
    """Make an archive's tables and figures again and say whether they are what they were.

    Raises:
        RemergeError: Some are not, or it is no archive.
    """
    same, other = rebuild(given.archive, given.out, Path(__file__).parent.parent)
    print(f"{len(same)} files of tables and figures made again, byte for byte the same")
    if other:
        raise RemergeError("not the same as in the archive: " + ", ".join(other))


def mend_results(folder: Path) -> str:
    """Set damaged results aside, remove what killed processes left, and return the names of both.

    Raises:
        RemergeError: There is no such folder, or a run may be making something in it.
    """
    if not folder.is_dir():
        raise RemergeError(f"{folder}: no such folder; name the results folder")
    if any((folder.parent / ".snakemake" / "locks").glob("*")):
        raise RemergeError(f"{folder}: locked by a run; wait for it, or if it was killed, run `snakemake --unlock`")
    damaged, removed = mend(folder)
    lines = [f"{name}: damaged since made, now {name}{DAMAGED}" for name in damaged]
    lines += [f"{name}: half-written, removed" for name in removed]
    return "\n".join(lines) or f"{folder}: nothing is damaged"


def show_health(given: argparse.Namespace) -> None:
    """Print whether this machine can run a configuration, and exit with 1 if something will fail."""
    from remerge.doctor import examine, report

    checks = examine(Path(__file__).parent.parent, given.configfile, profile=given.workflow_profile)
    if text := report(checks, short=given.short):
        print(text, flush=True)
    if any(check.verdict == "will fail" for check in checks):
        sys.exit(1)


def main() -> None:
    """Read the command line and answer."""
    parser = argparse.ArgumentParser(prog="python -m remerge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    results = commands.add_parser("results", help="print the main tables and where everything lies")
    results.add_argument("folder", nargs="?", type=Path, default=Path("results"))
    results.set_defaults(run=lambda given: print(show_results(given.folder)))
    origin = commands.add_parser("provenance", help="print what a result came from, down to downloads and their hashes")
    origin.add_argument("file", type=Path)
    origin.set_defaults(run=lambda given: print(chain(given.file)))
    judged = commands.add_parser("claims", help="print a verdict on every claim of the papers, from score files alone")
    judged.add_argument("folder", nargs="?", type=Path, default=Path("results"))
    judged.add_argument("--claims", type=Path, default=PUBLISHED / "claims.yaml")
    judged.set_defaults(run=lambda given: print(show_claims(given.folder, given.claims)))
    mended = commands.add_parser("mend", help="set damaged results aside, so that the next run makes them again")
    mended.add_argument("results", nargs="?", type=Path, default=Path("results"))
    mended.set_defaults(run=lambda given: print(mend_results(given.results)))
    packed = commands.add_parser("archive", help="pack tables, figures, scores and provenance into one zip")
    packed.add_argument("archive", type=Path)
    packed.add_argument("--results", type=Path, default=Path("results"))
    packed.set_defaults(run=lambda given: print(f"{pack(given.results, given.archive)} files in {given.archive}"))
    again = commands.add_parser("rebuild", help="make an archive's tables and figures again, without any model")
    again.add_argument("archive", type=Path)
    again.add_argument("--out", type=Path, required=True, help="an empty folder")
    again.set_defaults(run=rebuild_archive)
    doctor = commands.add_parser("doctor", help="say whether this machine can run a configuration; fetches nothing")
    doctor.add_argument("--configfile", type=Path, help="a file to lay over config.yaml, as for snakemake")
    doctor.add_argument("--workflow-profile", type=Path, help="the profile that snakemake will be given, for a cluster")
    doctor.add_argument("--short", action="store_true", help="print only failures and warnings, and what to do")
    doctor.set_defaults(run=show_health)
    merge = commands.add_parser(
        "merge",
        help="merge safetensors checkpoints of any size, in one file or several with an index",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    merge.add_argument("--method", choices=DATA_FREE, required=True, help="how to merge")
    merge.add_argument("--pretrained", type=Path, required=True, help="file or folder of the common starting point")
    merge.add_argument("--finetuned", type=Path, nargs="+", required=True, help="file or folder of each task's model")
    merge.add_argument("--out", type=Path, required=True, help="folder for the merged checkpoint")
    merge.add_argument("--scaling", type=float, help="merging coefficient lambda (not for weight_averaging)")
    merge.add_argument("--keep", type=float, default=0.2, help="ties: share of entries that survive trimming")
    merge.add_argument("--merge", choices=("sum", "mean", "max"), default="sum", help="ties: disjoint merge")
    merge.set_defaults(run=merge_checkpoints)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough, as `head` does; what is left must not fail again at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (RemergeError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
