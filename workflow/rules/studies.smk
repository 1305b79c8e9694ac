"""Studies beyond the main table: each of their jobs makes and scores many encoders.

needs  results/{pool}/task_vectors, heads; results/images/{size}/{task}/{test,validation}.safetensors;
       original test images, where they are corrupted
makes  results/images/{size}/{task}/corrupted/{corruption}-{severity}.safetensors
       results/{pool}/studies/{study}/{part}.csv            correct answers and n of every encoder
       results/{pool}/tables/{suite}/{study}.{csv,md,tex}   their tables
       results/{pool}/figures/{suite}/{study}.{svg,png}
"""

from remerge.images.corruptions import CONSTANTS


rule corrupt_images:
    """Corrupt a built-in task's test images, identically in every run."""
    input:
        images="results/images/{size}/{task}/test.safetensors",
    output:
        "results/images/{size}/{task}/corrupted/{corruption}-{severity}.safetensors",
    log:
        "logs/corrupt_images/{size}/{task}/{corruption}-{severity}.log",
    benchmark:
        "benchmarks/jobs/corrupt_images/{size}/{task}/{corruption}-{severity}.tsv"
    wildcard_constraints:
        task=any_of(MINI_TASKS),
        corruption=any_of(CONSTANTS),
        severity="[1-5]",
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="images"),
        runtime=of(plan.resources.minutes, work="images"),
    params:
        code=code("scripts/corrupt_images.py"),
        seed=0,
    script:
        "../../scripts/corrupt_images.py"


rule prepare_corrupted_images:
    """Decode and corrupt one task's original test images, then resize and crop them like the clean ones."""
    input:
        record=of(plan.images.record),
    output:
        "results/images/{size}/{task}/corrupted/{corruption}-{severity}.safetensors",
    log:
        "logs/prepare_corrupted_images/{size}/{task}/{corruption}-{severity}.log",
    benchmark:
        "benchmarks/jobs/prepare_corrupted_images/{size}/{task}/{corruption}-{severity}.tsv"
    wildcard_constraints:
        task=any_of([*CLIP_TASKS, *settings.tasks]),
        corruption=any_of(CONSTANTS),
        severity="[1-5]",
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=of(plan.resources.memory, work="images"),
        runtime=of(plan.resources.minutes, work="images"),
    params:
        code=code("scripts/prepare_corrupted_images.py"),
        classes=of(plan.images.labels),
        source=of(plan.images.source),
        folder=of(plan.images.folder),
        content=of(plan.images.fingerprint),
        test_images=of(plan.images.drawn),
        seed=0,
    script:
        "../../scripts/prepare_corrupted_images.py"


rule study:
    """Make and score the encoders of one part of a study."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vectors=of(plan.studies.task_vectors),
        svds=of(plan.studies.svds),
        heads=of(plan.studies.heads),
        images=of(plan.studies.test_images),
        validation=of(plan.studies.validation_images),
        gate=of(plan.studies.gate),
        own=of(plan.studies.files),
    output:
        "results/{pool}/studies/{study}/{part}.csv",
    log:
        "logs/{pool}/study/{study}/{part}.log",
    benchmark:
        "benchmarks/jobs/{pool}/study/{study}/{part}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="score_many"),
        runtime=of(plan.resources.minutes, work="score_many"),
    params:
        code=code("scripts/study.py", of(plan.studies.code)),
        tasks=of(plan.studies.tasks),
        kind=of(plan.studies.kind),
        study=of(plan.studies.settings),
        images=of(plan.studies.drawn),
        methods=of(plan.studies.parameters),
        seed=of(plan.pools.seed),
        frozen_entries=of(plan.pools.frozen_entries),
        scoring=settings.scoring.model_dump(),
    script:
        "../../scripts/study.py"


rule study_table:
    """The table of a study's scores."""
    input:
        scores=of(plan.studies.scores),
        experts=of(plan.scores.of_experts),
        pretrained=of(plan.scores.of_pretrained),
    output:
        csv="results/{pool}/tables/{suite}/{study}.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/{study}.md",
            caption="../report/study_table.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "{study}"},
        ),
        latex="results/{pool}/tables/{suite}/{study}.tex",
    log:
        "logs/{pool}/study_table/{suite}/{study}.log",
    benchmark:
        "benchmarks/jobs/{pool}/study_table/{suite}/{study}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/study_table.py", of(plan.studies.table_code)),
        study=of(plan.studies.all_settings),
        tasks=of(plan.tasks.in_suite),
        labels=of(plan.studies.labels),
        holds_out=of(plan.pools.holds_out),
    script:
        "../../scripts/study_table.py"


rule study_figure:
    """The figure of a study's table."""
    input:
        table="results/{pool}/tables/{suite}/{study}.csv",
    output:
        svg=report(
            "results/{pool}/figures/{suite}/{study}.svg",
            caption="../report/figure.rst",
            category="Figures",
            subcategory="{pool}",
            labels={"suite": "{suite}", "figure": "{study}"},
        ),
        png="results/{pool}/figures/{suite}/{study}.png",
    log:
        "logs/{pool}/study_figure/{suite}/{study}.log",
    benchmark:
        "benchmarks/jobs/{pool}/study_figure/{suite}/{study}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/study_figure.py", of(plan.studies.figure_code)),
        kind=of(plan.studies.kind),
        methods=of(plan.studies.looks),
        # For the report alone: Snakemake compares no parameter that takes the input.
        caption=lambda wildcards, input: plan.studies.caption(wildcards.study),
    script:
        "../../scripts/study_figure.py"


rule studies:
    """Every study of every pool."""
    input:
        plan.studies.figures(),
        plan.studies.tables(),
    localrule: True
