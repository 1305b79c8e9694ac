"""Studies beyond the main table: many encoders made and scored in one job each.

needs  results/{pool}/task_vectors, heads; results/images/{size}/{task}/{test,validation}.safetensors;
       original test images, where they are corrupted
makes  results/images/{size}/{task}/corrupted/{corruption}-{severity}.safetensors
       results/{pool}/studies/{study}/{part}.csv            correct answers and n of every encoder
       results/{pool}/tables/{suite}/{study}.{csv,md}       what they come to
       results/{pool}/figures/{suite}/{study}.{svg,png}
"""


include: "../inputs/studies.smk"


rule corrupt_images:
    """Corrupt a built-in task's test images; the same corruption of the same image is always the same."""
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
        mem_mb=memory("images"),
        runtime=minutes("images"),
    params:
        code=code("scripts/corrupt_images.py"),
        seed=0,
    script:
        "../../scripts/corrupt_images.py"


rule prepare_corrupted_images:
    """Decode and corrupt one task's original test images, then resize and crop them as the clean ones."""
    input:
        record=record_of,
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
        mem_mb=memory("images"),
        runtime=minutes("images"),
    params:
        code=code("scripts/prepare_corrupted_images.py"),
        classes=classes_read_by,
        source=source_of,
        folder=folder_of,
        content=folder_content_of,
        test_images=test_images_of,
        seed=0,
    script:
        "../../scripts/prepare_corrupted_images.py"


rule study:
    """Make and score the encoders of one part of a study."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vectors=task_vectors_of_study,
        heads=heads_of_study,
        images=images_of_study,
        validation=validation_of_study,
        gate=in_suite(suite_of_study, gate_of),
        own=own_files_of_study,
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
        mem_mb=memory("score_many"),
        runtime=minutes("score_many"),
    params:
        code=lambda wildcards: code("scripts/study.py", *modules_of_study(wildcards)),
        tasks=tasks_of_study,
        kind=kind_of_study,
        study=lambda wildcards: settings.studies[wildcards.study].settings_of(
            wildcards.part
        ),
        methods=methods_of_study,
        seed=seed_of,
        frozen_entries=frozen_entries_of,
        scoring=settings.scoring.model_dump(),
    script:
        "../../scripts/study.py"


rule study_table:
    """What a study's scores come to."""
    input:
        scores=lambda wildcards: [
            f"results/{wildcards.pool}/studies/{wildcards.study}/{part}.csv"
            for part in settings.studies[wildcards.study].parts
        ],
        experts=experts_scores_of,
        pretrained=lambda wildcards: scores_of_pretrained(wildcards),
    output:
        csv="results/{pool}/tables/{suite}/{study}.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/{study}.md",
            caption="../report/study_table.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "{study}"},
        ),
    log:
        "logs/{pool}/study_table/{suite}/{study}.log",
    benchmark:
        "benchmarks/jobs/{pool}/study_table/{suite}/{study}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=lambda wildcards: code(
            "scripts/study_table.py", *code_of_study(wildcards, "table", "NOTE")
        ),
        study=lambda wildcards: settings.studies[wildcards.study].model_dump(),
        tasks=tasks_of,
        labels=lambda wildcards: {
            name: settings.methods[name].label for name in methods_of_study(wildcards)
        },
        holds_out=lambda wildcards: settings.pools[wildcards.pool].holds_out,
    script:
        "../../scripts/study_table.py"


rule study_figure:
    """A study's table, drawn."""
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
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=lambda wildcards: code(
            "scripts/study_figure.py",
            file_of_module(figure_of(kind_of_study(wildcards))),
        ),
        kind=kind_of_study,
        methods=methods_drawn_in_study,
        # For the report alone: Snakemake compares no parameter that takes the input.
        caption=lambda wildcards, input: load(kind_of_study(wildcards)).CAPTION,
    script:
        "../../scripts/study_figure.py"


rule studies:
    """Every study of every pool."""
    input:
        [
            f"results/{pool}/figures/{study.suite}/{name}.svg"
            for pool in settings.pools
            for name, study in settings.studies.items()
        ],
        [
            f"results/{pool}/tables/{study.suite}/{name}.csv"
            for pool in settings.pools
            for name, study in settings.studies.items()
        ],
    localrule: True
