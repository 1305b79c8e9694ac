"""remerge: the model-merging papers, from images and checkpoints to tables and figures.

    images -> pre-trained encoder -> fine-tuned encoders -> task vectors -> merged encoders -> scores -> tables, figures

All output goes to results/. config.yaml says what is made; config/README.md explains every key.
"""

from snakemake.utils import min_version

from remerge.doctor.disk import space_for_results

min_version("9.27")


configfile: workflow.source_path("config.yaml")


report: "workflow/report/workflow.rst"


include: "workflow/adapter.smk"
include: "workflow/settings.smk"
include: "workflow/damage.smk"
include: "workflow/scheduling.smk"
include: "workflow/forks.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/checkpoints.smk"
include: "workflow/rules/encoders.smk"
include: "workflow/rules/texts.smk"
include: "workflow/rules/task_vectors.smk"
include: "workflow/rules/merging.smk"
include: "workflow/rules/parts.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/studies.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


onstart:
    drop_default_limit()
    end_at_sigterm()
    if message := space_for_results(settings):
        logger.info(message)


rule all:
    """Every table and figure of every pool and suite."""
    default_target: True
    input:
        rules.tables.input,
        rules.studies.input,
        rules.report_page.output,
        rules.figures.input,
        plan.downloads.lock(),
        damaged_before,
