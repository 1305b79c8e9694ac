"""remerge: the model-merging papers, from images and checkpoints to tables and figures.

    images -> pre-trained encoder -> fine-tuned encoders -> task vectors -> merged encoders -> scores -> tables, figures

Everything made lies under results/. What is made is said in config.yaml; config/README.md explains every key.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: workflow.source_path("config.yaml")


report: "workflow/report/workflow.rst"


include: "workflow/inputs/settings.smk"
include: "workflow/inputs/damage.smk"
include: "workflow/inputs/resources.smk"
include: "workflow/inputs/code.smk"
include: "workflow/inputs/pools.smk"
include: "workflow/inputs/suites.smk"
include: "workflow/inputs/methods.smk"
include: "workflow/inputs/downloads.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/checkpoints.smk"
include: "workflow/rules/encoders.smk"
include: "workflow/rules/task_vectors.smk"
include: "workflow/rules/merging.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/studies.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


onstart:
    for line in disk_need():
        logger.info(line)


rule all:
    """Every table and figure of every pool and suite."""
    default_target: True
    input:
        rules.tables.input,
        rules.studies.input,
        rules.report_page.output,
        rules.figures.input,
        downloads_lock(),
        damaged_before,
