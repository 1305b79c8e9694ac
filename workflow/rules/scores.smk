"""Scores: correct answers out of n, per encoder and task. Integers; tables turn them into percentages.

needs  encoders, heads, results/images/{size}/{task}/{split}.safetensors
makes  results/{pool}/scores/{suite}/{method}.csv            on test images
       results/{pool}/expert_scores/{task}.csv               each expert on every task, a file per task
       results/{pool}/sweeps/{suite}/{method}/{split}.csv    one merged task vector at many scalings
       results/{pool}/trajectories/{suite}/{method}.csv      AdaMerging's encoders on the way
       results/{pool}/tables/{suite}/zero_shot_gate.csv      zero-shot accuracy beside the published
"""


include: "../inputs/scores.smk"


rule score:
    """Score one encoder on every task of a suite."""
    input:
        encoder=encoder_of,
        heads=heads_of,
        images=images_of("test"),
    output:
        "results/{pool}/scores/{suite}/{method}.csv",
    log:
        "logs/{pool}/score/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/score/{suite}/{method}.tsv"
    wildcard_constraints:
        suite=any_of(settings.suites),
        method=any_of(
            [
                *methods_where(lambda method: method.algorithm == "pretrained"),
                *methods_of_kind("joint", *MERGING),
            ]
        ),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory("score"),
        runtime=minutes("score"),
    params:
        code=code("scripts/score.py"),
        tasks=tasks_of,
        columns=lambda wildcards: dict(
            pool=wildcards.pool, suite=wildcards.suite, method=wildcards.method
        ),
        scoring=settings.scoring.model_dump(),
    script:
        "../../scripts/score.py"


rule score_expert:
    """Score an expert on its task and those before it, and their experts on its task: one more task adds its own pairs."""
    input:
        encoders=lambda wildcards: [
            f"results/{wildcards.pool}/weights/{task}.safetensors"
            for task in tasks_up_to(wildcards)
        ],
        heads=lambda wildcards: heads_of(wildcards, tasks_up_to),
        images=images_of("test", tasks_up_to),
    output:
        "results/{pool}/expert_scores/{task}.csv",
    log:
        "logs/{pool}/score_expert/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/score_expert/{task}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory("score_many"),
        runtime=minutes("score_many"),
    params:
        code=code("scripts/score_expert.py"),
        tasks=tasks_up_to,
        scoring=settings.scoring.model_dump(),
    script:
        "../../scripts/score_expert.py"


rule score_individual:
    """Individual: every task's own expert, taken from the experts' scores."""
    input:
        experts=experts_scores_of,
    output:
        "results/{pool}/scores/{suite}/{method}.csv",
    log:
        "logs/{pool}/score_individual/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/score_individual/{suite}/{method}.tsv"
    wildcard_constraints:
        suite=any_of(settings.suites),
        method=any_of(methods_where(lambda method: method.algorithm == "individual")),
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("scripts/score_individual.py"),
        tasks=tasks_of,
    script:
        "../../scripts/score_individual.py"


rule sweep:
    """Score one merged task vector at every scaling of a grid."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vector="results/{pool}/merged_task_vectors/{suite}/{method}.safetensors",
        heads=heads_of,
        images=split_images_of,
    output:
        "results/{pool}/sweeps/{suite}/{method}/{split}.csv",
    log:
        "logs/{pool}/sweep/{suite}/{method}/{split}.log",
    benchmark:
        "benchmarks/jobs/{pool}/sweep/{suite}/{method}/{split}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory("score_many"),
        runtime=minutes("score_many"),
    params:
        code=code("scripts/sweep.py"),
        tasks=tasks_of,
        grid=grid_of,
        scoring=settings.scoring.model_dump(),
    script:
        "../../scripts/sweep.py"


rule trajectory:
    """Score the encoders AdaMerging passed through, at some of its steps."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vectors=task_vectors_of,
        coefficients="results/{pool}/coefficients/{suite}/{method}.csv",
        heads=heads_of,
        images=images_of("test"),
    output:
        "results/{pool}/trajectories/{suite}/{method}.csv",
    log:
        "logs/{pool}/trajectory/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/trajectory/{suite}/{method}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory("score_many"),
        runtime=minutes("score_many"),
    params:
        code=lambda wildcards: code("scripts/trajectory.py", algorithm_of(wildcards)),
        tasks=tasks_of,
        every=settings.figures.every,
        algorithm=lambda wildcards: settings.methods[wildcards.method].algorithm,
        merging=merging_parameters_of,
        scoring=settings.scoring.model_dump(),
    script:
        "../../scripts/trajectory.py"


rule zero_shot_gate:
    """Stop before any merge if the pre-trained encoder does not score as others found it."""
    input:
        scores=zero_shot_scores_of,
        published=PUBLISHED,
    output:
        "results/{pool}/tables/{suite}/zero_shot_gate.csv",
    log:
        "logs/{pool}/zero_shot_gate/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/zero_shot_gate/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("scripts/zero_shot_gate.py"),
        origin=origin_of_pool,
        architecture=architecture_of,
        tolerance=settings.zero_shot_tolerance,
        drawn={
            task: images.test_images
            for task, images in settings.clip_tasks.items()
            if images.test_images
        },
    script:
        "../../scripts/zero_shot_gate.py"
