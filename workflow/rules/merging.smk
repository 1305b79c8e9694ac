"""Merged encoders: the pre-trained weights plus a scaled merged task vector of a method.

needs  results/{pool}/task_vectors/{task}.safetensors; methods that merge by its singular value decompositions also these;
       methods that learn also heads and test images (labels unused); others validation images
makes  results/{pool}/statistics/{method}/{task}.safetensors         of experts, for methods that use them
       results/{pool}/coefficients/{suite}/{method}.csv              learned: step, task, layer, value
       results/{pool}/costs/learn_coefficients/{suite}/{method}.tsv  seconds before an interruption
       results/{pool}/merged_task_vectors/{suite}/{method}.safetensors   one per method, before scaling
       results/{pool}/merged/{suite}/{method}.safetensors, .json         the merged result, and its scaling
"""


rule learn_coefficients:
    """Learn merging coefficients on unlabeled test images, as AdaMerging does."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vectors=of(plan.merging.task_vectors),
        heads=of(plan.scores.heads),
        images=of(plan.images.of_suite, split="test"),
        gate=of(plan.merging.gate),
    output:
        coefficients="results/{pool}/coefficients/{suite}/{method}.csv",
        earlier="results/{pool}/costs/learn_coefficients/{suite}/{method}.tsv",
    log:
        "logs/{pool}/learn_coefficients/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/learn_coefficients/{suite}/{method}.tsv"
    wildcard_constraints:
        method=any_of(plan.methods.learning()),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="adapt"),
        runtime=of(plan.resources.minutes, work="adapt"),
    params:
        code=code("scripts/learn_coefficients.py", of(plan.methods.modules)),
        tasks=of(plan.tasks.in_suite),
        seed=of(plan.pools.seed),
        algorithm=of(plan.methods.algorithm),
        merging=of(plan.merging.parameters),
        learning=of(plan.methods.learning_parameters),
    script:
        "../../scripts/learn_coefficients.py"


rule merge_task_vectors:
    """Merge a suite's task vectors into one."""
    input:
        task_vectors=of(plan.merging.task_vectors),
        svds=of(plan.merging.svds),
        coefficients=of(plan.merging.coefficients),
        gate=of(plan.merging.gate),
        own=of(plan.methods.files),
    output:
        "results/{pool}/merged_task_vectors/{suite}/{method}.safetensors",
    log:
        "logs/{pool}/merge_task_vectors/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/merge_task_vectors/{suite}/{method}.tsv"
    wildcard_constraints:
        method=any_of(plan.methods.of_kind("rule", "learned")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=of(plan.methods.gpus, most=GPU),
        mem_mb=of(plan.resources.memory, work="merge"),
        runtime=of(plan.resources.minutes, work="merge"),
    params:
        code=code("scripts/merge_task_vectors.py", of(plan.methods.modules)),
        tasks=of(plan.tasks.in_suite),
        algorithm=of(plan.methods.algorithm),
        merging=of(plan.merging.parameters),
    script:
        "../../scripts/merge_task_vectors.py"


rule expert_statistics:
    """Collect one expert's statistics, such as for RegMean, on validation images without their labels."""
    input:
        expert="results/{pool}/weights/{task}.safetensors",
        head="results/{pool}/heads/{task}.safetensors",
        images=of(plan.images.of_task, split="validation"),
        gate=of(plan.merging.gate_of_task),
    output:
        "results/{pool}/statistics/{method}/{task}.safetensors",
    log:
        "logs/{pool}/expert_statistics/{method}/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/expert_statistics/{method}/{task}.tsv"
    wildcard_constraints:
        method=any_of(plan.methods.of_kind("statistics")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="score"),
        runtime=of(plan.resources.minutes, work="score"),
    params:
        code=code("scripts/expert_statistics.py", of(plan.methods.modules)),
        algorithm=of(plan.methods.algorithm),
        images=of(plan.methods.images),
        seed=of(plan.pools.seed),
    script:
        "../../scripts/expert_statistics.py"


rule merge_by_statistics:
    """Merge a suite's task vectors into one, using statistics of the experts."""
    input:
        task_vectors=of(plan.merging.task_vectors),
        statistics=of(plan.merging.statistics),
        own=of(plan.methods.files),
    output:
        "results/{pool}/merged_task_vectors/{suite}/{method}.safetensors",
    log:
        "logs/{pool}/merge_by_statistics/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/merge_by_statistics/{suite}/{method}.tsv"
    wildcard_constraints:
        method=any_of(plan.methods.of_kind("statistics")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=of(plan.methods.gpus, most=GPU),
        mem_mb=of(plan.resources.memory, work="merge"),
        runtime=of(plan.resources.minutes, work="merge"),
    params:
        code=code("scripts/merge_by_statistics.py", of(plan.methods.modules)),
        tasks=of(plan.tasks.in_suite),
        algorithm=of(plan.methods.algorithm),
        merging=of(plan.merging.parameters),
    script:
        "../../scripts/merge_by_statistics.py"


rule merge_with_exemplars:
    """Merge a suite's task vectors into one, with validation images of all tasks at hand."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vectors=of(plan.merging.task_vectors),
        heads=of(plan.scores.heads),
        images=of(plan.images.of_suite, split="validation"),
        gate=of(plan.merging.gate),
        own=of(plan.methods.files),
    output:
        "results/{pool}/merged_task_vectors/{suite}/{method}.safetensors",
    log:
        "logs/{pool}/merge_with_exemplars/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/merge_with_exemplars/{suite}/{method}.tsv"
    wildcard_constraints:
        method=any_of(plan.methods.of_kind("exemplars")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="adapt"),
        runtime=of(plan.resources.minutes, work="adapt"),
    params:
        code=code("scripts/merge_with_exemplars.py", of(plan.methods.modules)),
        tasks=of(plan.tasks.in_suite),
        algorithm=of(plan.methods.algorithm),
        images=of(plan.methods.images),
        seed=of(plan.pools.seed),
        merging=of(plan.merging.parameters),
        scoring=settings.scoring.model_dump(),
    script:
        "../../scripts/merge_with_exemplars.py"


rule merge:
    """Add the scaled merged task vector to the pre-trained weights."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vector="results/{pool}/merged_task_vectors/{suite}/{method}.safetensors",
        validation=of(plan.merging.validation_sweep),
    output:
        encoder="results/{pool}/merged/{suite}/{method}.safetensors",
        record="results/{pool}/merged/{suite}/{method}.json",
    log:
        "logs/{pool}/merge/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/merge/{suite}/{method}.tsv"
    wildcard_constraints:
        method=any_of(plan.methods.merging()),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="merge"),
        runtime=of(plan.resources.minutes, work="merge"),
    params:
        code=code("scripts/merge.py"),
        tasks=of(plan.tasks.in_suite),
        method=of(plan.methods.parameters),
    script:
        "../../scripts/merge.py"
