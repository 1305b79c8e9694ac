"""Compare our numbers with the published ones."""

from typing import TYPE_CHECKING

import pandas as pd

from remerge.findings.comparison import compare, comparison_markdown
from remerge.findings.published import SHARED_WEIGHTS, of_pool, read_published
from remerge.findings.tables import Row, in_blocks, write_csv, write_text
from remerge.images.audit import contaminated, read_audit
from remerge.methods.measured import published_as, read_measured
from remerge.methods.registry import SHARED_AND_PARTS
from remerge.run.csvs import read_csv
from remerge.run.job import job
from remerge.scoring.scores import read_scores

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    scores = pd.concat([read_scores(path) for path in inputs.scores], ignore_index=True)
    gate = read_csv(inputs.gate, ["origin"])
    own = SHARED_WEIGHTS.get(params.origin, params.origin)
    elsewhere = gate[gate["origin"] != own].set_index("task")["origin"].to_dict()
    flags = contaminated(read_audit(inputs.audit))
    published = of_pool(read_published(inputs.published), params.origin, params.architecture)
    measured = read_measured(inputs.measured).get(params.origin, {})
    names, notes = published_as(params.methods, measured), {name: known.note for name, known in measured.items()}
    rows = in_blocks({name: Row(method["label"], method["algorithm"]) for name, method in params.methods.items()})
    labels = {name: row.label for name, row in rows.items()}
    parted = [name for name, row in rows.items() if row.block == SHARED_AND_PARTS]
    table = compare(scores, published, list(rows), params.tasks, flags, elsewhere, names, notes, params.remarks)
    write_csv(outputs.csv, table)
    write_text(outputs.markdown, comparison_markdown(table, labels, parted))
