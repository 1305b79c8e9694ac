"""Write a study's table as CSV, Markdown and LaTeX."""

from typing import TYPE_CHECKING

import pandas as pd
from tabulate import tabulate

from remerge.findings.tables import latex_table, write_csv, write_text
from remerge.run.job import job
from remerge.run.markup import LATEX, MARKDOWN
from remerge.scoring.scores import read_parts, read_scores
from remerge.studies.kind import load
from remerge.studies.tables import notes, rounded, study_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    scores, experts = read_parts(inputs.scores), read_parts(inputs.experts)
    own = experts[experts["expert"] == experts["task"]].assign(method="individual")
    zero_shot = [read_scores(path).assign(method="pretrained") for path in inputs.pretrained]
    study = load(params.study["kind"]).Settings.model_validate(params.study)
    table = study_table(study, scores, pd.concat([own, *zero_shot]), params.tasks)
    note = notes(study, scores, params.tasks, params.holds_out)
    write_csv(outputs.csv, table)
    headers, cells = rounded(table, params.labels, MARKDOWN)
    text = tabulate(cells, headers, tablefmt="github", disable_numparse=True)
    write_text(outputs.markdown, f"{text}\n\n{MARKDOWN.plain(note)}\n")
    headers, cells = rounded(table, params.labels, LATEX)
    write_text(outputs.latex, latex_table(headers, {"": cells}, LATEX.plain(note)))
