"""Scores: correct answers out of n, per encoder and task. Integers; tables turn them into percentages.

needs  encoders, heads, results/images/{size}/{task}/{split}.safetensors
makes  results/{pool}/scores/{suite}/{method}.csv            on test images
       results/{pool}/expert_scores/{task}.csv               each expert on every task, a file per task
       results/{pool}/sweeps/{suite}/{method}/{split}.csv    one merged task vector at many scalings
       results/{pool}/trajectories/{suite}/{method}.csv      AdaMerging's encoders at some steps
       results/{pool}/tables/{suite}/zero_shot_gate.csv      zero-shot accuracy and the published one
"""


rule score:
    """Score one encoder on every task of a suite."""
    input:
        encoder=of(plan.merging.encoder),
        parts=of(plan.merging.parts),
        heads=of(plan.scores.heads),
        images=of(plan.images.of_suite, split="test"),
    output:
        "results/{pool}/scores/{suite}/{method}.csv",
    log:
        "logs/{pool}/score/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/score/{suite}/{method}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.reading("images")),
        suite=any_of(settings.suites),
        method=any_of(plan.methods.with_encoder()),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="score"),
        runtime=of(plan.resources.minutes, work="score"),
    params:
        code=code("scripts/score.py", of(plan.methods.assembly_modules)),
        tasks=of(plan.tasks.in_suite),
        columns=lambda wildcards: dict(wildcards.items()),
        scoring=settings.scoring.model_dump(),
    script:
        "../../scripts/score.py"


# Methods wait for the verdict on it, so that it cannot be in one group with them.
use rule score as score_pretrained with:
    wildcard_constraints:
        pool=any_of(plan.pools.reading("images")),
        suite=any_of(settings.suites),
        method=any_of(plan.methods.of_algorithm("pretrained")),


rule score_expert:
    """Score an expert on its task and those before it, and their experts on its task; a new task adds one such job."""
    input:
        encoders=of(plan.scores.experts_up_to),
        heads=of(plan.scores.heads_up_to),
        images=of(plan.images.up_to, split="test"),
    output:
        "results/{pool}/expert_scores/{task}.csv",
    log:
        "logs/{pool}/score_expert/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/score_expert/{task}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.reading("images")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="score_many"),
        runtime=of(plan.resources.minutes, work="score_many"),
    params:
        code=code("scripts/score_expert.py"),
        tasks=of(plan.tasks.up_to),
        scoring=settings.scoring.model_dump(),
    script:
        "../../scripts/score_expert.py"


rule score_individual:
    """Individual: the score of every task's expert on that task."""
    input:
        experts=of(plan.scores.of_experts),
    output:
        "results/{pool}/scores/{suite}/{method}.csv",
    log:
        "logs/{pool}/score_individual/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/score_individual/{suite}/{method}.tsv"
    wildcard_constraints:
        suite=any_of(settings.suites),
        method=any_of(plan.methods.of_algorithm("individual")),
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/score_individual.py"),
        tasks=of(plan.tasks.in_suite),
    script:
        "../../scripts/score_individual.py"


rule sweep:
    """Score one merged task vector at every scaling of a grid."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vector="results/{pool}/merged_task_vectors/{suite}/{method}.safetensors",
        heads=of(plan.scores.heads),
        images=of(plan.images.of_suite),
        at_zero=of(plan.scores.at_zero),
    output:
        "results/{pool}/sweeps/{suite}/{method}/{split}.csv",
    log:
        "logs/{pool}/sweep/{suite}/{method}/{split}.log",
    benchmark:
        "benchmarks/jobs/{pool}/sweep/{suite}/{method}/{split}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.reading("images")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="score_many"),
        runtime=of(plan.resources.minutes, work="score_many"),
    params:
        code=code("scripts/sweep.py"),
        tasks=of(plan.tasks.in_suite),
        grid=of(plan.scores.grid),
        scoring=settings.scoring.model_dump(),
    script:
        "../../scripts/sweep.py"


rule trajectory:
    """Score AdaMerging's encoders at some of its steps."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vectors=of(plan.merging.task_vectors),
        coefficients="results/{pool}/coefficients/{suite}/{method}.csv",
        heads=of(plan.scores.heads),
        images=of(plan.images.of_suite, split="test"),
        at_last_step=of(plan.scores.at_last_step),
    output:
        "results/{pool}/trajectories/{suite}/{method}.csv",
    log:
        "logs/{pool}/trajectory/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/trajectory/{suite}/{method}.tsv"
    priority: 1  # longer than most studies' jobs, and several figures and tables wait for them
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="score_many"),
        runtime=of(plan.resources.minutes, work="score_many"),
    params:
        code=code("scripts/trajectory.py", of(plan.methods.modules)),
        tasks=of(plan.tasks.in_suite),
        every=settings.figures.every,
        algorithm=of(plan.methods.algorithm),
        merging=of(plan.merging.parameters),
        scoring=settings.scoring.model_dump(),
    script:
        "../../scripts/trajectory.py"


rule zero_shot_gate:
    """Stop before any merge if the pre-trained encoder does not reproduce the published zero-shot accuracy."""
    input:
        scores=of(plan.scores.zero_shot),
        published=f"{PUBLISHED}/main.csv",
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
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/zero_shot_gate.py"),
        origin=of(plan.pools.origin),
        architecture=of(plan.pools.architecture),
        tolerance=settings.zero_shot_tolerance,
        drawn=plan.images.draws(),
    script:
        "../../scripts/zero_shot_gate.py"
