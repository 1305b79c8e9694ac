"""Write the report."""

from typing import TYPE_CHECKING

from remerge.findings.report import Section, write_report
from remerge.images.audit import contaminated, read_audit
from remerge.run.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as (inputs, outputs, params, wildcards):
    sections = [
        Section(**(section | {"flags": contaminated(read_audit(section["flags"]))})) for section in params.sections
    ]
    write_report(outputs[0], inputs.template, sections)
