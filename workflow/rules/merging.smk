"""Merged encoders: the pre-trained weights plus a scaled merged task vector, whatever the method.

needs  results/{pool}/task_vectors/{task}.safetensors; methods that learn also heads and test images (labels unused)
makes  results/{pool}/statistics/{method}/{task}.safetensors         of the experts, for methods that merge by them
       results/{pool}/coefficients/{suite}/{method}.csv              learned: step, task, layer, value
       results/{pool}/costs/learn_coefficients/{suite}/{method}.tsv  seconds it took before it was cut off
       results/{pool}/merged_task_vectors/{suite}/{method}.safetensors   one per method, before scaling
       results/{pool}/merged/{suite}/{method}.safetensors, .json         the merged result, and its scaling
"""


include: "../inputs/merging.smk"


rule learn_coefficients:
    """Learn merging coefficients on unlabeled test images, as AdaMerging does."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vectors=task_vectors_of,
        heads=heads_of,
        images=images_of("test"),
        gate=gate_of,
    output:
        coefficients="results/{pool}/coefficients/{suite}/{method}.csv",
        earlier="results/{pool}/costs/learn_coefficients/{suite}/{method}.tsv",
    log:
        "logs/{pool}/learn_coefficients/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/learn_coefficients/{suite}/{method}.tsv"
    wildcard_constraints:
        method=any_of(learning_methods()),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory("adapt"),
        runtime=minutes("adapt"),
    params:
        code=lambda wildcards: code(
            "scripts/learn_coefficients.py", algorithm_of(wildcards)
        ),
        tasks=tasks_of,
        seed=seed_of,
        algorithm=lambda wildcards: settings.methods[wildcards.method].algorithm,
        merging=merging_parameters_of,
        learning=learning_parameters_of,
    script:
        "../../scripts/learn_coefficients.py"


rule merge_task_vectors:
    """Merge a suite's task vectors into one."""
    input:
        task_vectors=task_vectors_of,
        coefficients=coefficients_of,
        gate=gate_of,
        own=lambda wildcards: settings.methods[wildcards.method].files,
    output:
        "results/{pool}/merged_task_vectors/{suite}/{method}.safetensors",
    log:
        "logs/{pool}/merge_task_vectors/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/merge_task_vectors/{suite}/{method}.tsv"
    wildcard_constraints:
        method=any_of(methods_of_kind("rule", "learned")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=memory("merge"),
        runtime=minutes("merge"),
    params:
        code=lambda wildcards: code(
            "scripts/merge_task_vectors.py", algorithm_of(wildcards)
        ),
        tasks=tasks_of,
        algorithm=lambda wildcards: settings.methods[wildcards.method].algorithm,
        merging=merging_parameters_of,
    script:
        "../../scripts/merge_task_vectors.py"


rule expert_statistics:
    """Statistics of one expert, on validation images without their labels, as Fisher merging and RegMean need them."""
    input:
        expert="results/{pool}/weights/{task}.safetensors",
        head="results/{pool}/heads/{task}.safetensors",
        images=images_of("validation", lambda wildcards: [wildcards.task]),
        gate=in_suite(first_suite_of, gate_of),
    output:
        "results/{pool}/statistics/{method}/{task}.safetensors",
    log:
        "logs/{pool}/expert_statistics/{method}/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/expert_statistics/{method}/{task}.tsv"
    wildcard_constraints:
        method=any_of(methods_of_kind("statistics")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=memory("score"),
        runtime=minutes("score"),
    params:
        code=lambda wildcards: code(
            "scripts/expert_statistics.py", algorithm_of(wildcards)
        ),
        algorithm=lambda wildcards: settings.methods[wildcards.method].algorithm,
        images=lambda wildcards: settings.methods[wildcards.method].images,
        seed=seed_of,
    script:
        "../../scripts/expert_statistics.py"


rule merge_by_statistics:
    """Merge a suite's task vectors into one by statistics of the experts."""
    input:
        task_vectors=task_vectors_of,
        statistics=lambda wildcards: [
            f"results/{wildcards.pool}/statistics/{wildcards.method}/{task}.safetensors"
            for task in tasks_of(wildcards)
        ],
    output:
        "results/{pool}/merged_task_vectors/{suite}/{method}.safetensors",
    log:
        "logs/{pool}/merge_by_statistics/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/merge_by_statistics/{suite}/{method}.tsv"
    wildcard_constraints:
        method=any_of(methods_of_kind("statistics")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=memory("merge"),
        runtime=minutes("merge"),
    params:
        code=lambda wildcards: code(
            "scripts/merge_by_statistics.py", algorithm_of(wildcards)
        ),
        tasks=tasks_of,
        algorithm=lambda wildcards: settings.methods[wildcards.method].algorithm,
        merging=merging_parameters_of,
    script:
        "../../scripts/merge_by_statistics.py"


rule merge:
    """Add the scaled merged task vector to the pre-trained weights."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vector="results/{pool}/merged_task_vectors/{suite}/{method}.safetensors",
        validation=validation_sweep_of,
    output:
        encoder="results/{pool}/merged/{suite}/{method}.safetensors",
        record="results/{pool}/merged/{suite}/{method}.json",
    log:
        "logs/{pool}/merge/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/merge/{suite}/{method}.tsv"
    wildcard_constraints:
        method=any_of(merging_methods()),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=memory("merge"),
        runtime=minutes("merge"),
    params:
        code=code("scripts/merge.py"),
        tasks=tasks_of,
        method=parameters_of,
    script:
        "../../scripts/merge.py"
