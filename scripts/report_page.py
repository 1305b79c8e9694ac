"""Write the report."""

from pathlib import Path
from typing import TYPE_CHECKING

from vl_convert import javascript_bundle

from remerge.findings.claims import read_claims
from remerge.findings.report import write_report
from remerge.findings.section import Section
from remerge.images.audit import contaminated, read_audit
from remerge.methods.measured import read_measured
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    sections = [
        Section(**(section | {"flags": contaminated(read_audit(section["flags"]))})) for section in params.sections
    ]
    write_report(
        outputs[0],
        Path(inputs.templates[0]).parent,
        sections,
        javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        read_claims(inputs.claims),
        read_measured(inputs.measured),
    )
