"""Write the report."""

from typing import TYPE_CHECKING

from remerge.findings.report import Section, write_report
from remerge.images.audit import contaminated, read_audit
from remerge.run import provenance
from remerge.run.logs import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
provenance.begin(snakemake)
sections = [
    Section(**(told | {"flags": contaminated(read_audit(told["flags"]))})) for told in snakemake.params.sections
]
write_report(snakemake.output[0], snakemake.input.template, sections)
provenance.record(snakemake)
