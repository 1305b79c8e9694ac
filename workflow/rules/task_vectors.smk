"""Task vectors: fine-tuned minus pre-trained weights, and the similarity and sign conflicts between them.

needs  results/{pool}/weights/{task}.safetensors, results/{pool}/weights/pretrained.safetensors
makes  results/{pool}/task_vectors/{task}.safetensors
       results/{pool}/svd/{task}.safetensors    only where a method merges by decompositions of task vectors
       results/{pool}/tables/{suite}/cosine.csv
       results/{pool}/tables/{suite}/conflicts.csv
"""


rule task_vector:
    """Subtract the pre-trained weights from an expert's."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        finetuned="results/{pool}/weights/{task}.safetensors",
    output:
        "results/{pool}/task_vectors/{task}.safetensors",
    log:
        "logs/{pool}/task_vector/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/task_vector/{task}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="merge"),
        runtime=of(plan.resources.minutes, work="merge"),
    params:
        code=code("scripts/task_vector.py"),
    script:
        "../../scripts/task_vector.py"


rule task_vector_svd:
    """Decompose a task vector's matrices, for all methods that merge by their singular values and vectors."""
    input:
        task_vector="results/{pool}/task_vectors/{task}.safetensors",
    output:
        "results/{pool}/svd/{task}.safetensors",
    log:
        "logs/{pool}/task_vector_svd/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/task_vector_svd/{task}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="merge"),
        runtime=of(plan.resources.minutes, work="merge"),
    params:
        code=code("scripts/task_vector_svd.py"),
        layouts=plan.methods.svd_layouts(),
    script:
        "../../scripts/task_vector_svd.py"


rule task_vector_cosine:
    """Cosine similarity of every pair of task vectors of a suite."""
    input:
        task_vectors=of(plan.merging.task_vectors),
    output:
        "results/{pool}/tables/{suite}/cosine.csv",
    log:
        "logs/{pool}/task_vector_cosine/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/task_vector_cosine/{suite}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="merge"),
        runtime=of(plan.resources.minutes, work="merge"),
    params:
        code=code("scripts/task_vector_cosine.py"),
        tasks=of(plan.tasks.in_suite),
    script:
        "../../scripts/task_vector_cosine.py"


rule conflicts_table:
    """Entries that task vectors of a suite move in opposite directions, by number of tasks and share kept."""
    input:
        task_vectors=of(plan.merging.task_vectors),
    output:
        "results/{pool}/tables/{suite}/conflicts.csv",
    log:
        "logs/{pool}/conflicts_table/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/conflicts_table/{suite}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="merge"),
        runtime=of(plan.resources.minutes, work="merge"),
    params:
        code=code("scripts/conflicts_table.py"),
        tasks=of(plan.tasks.in_suite),
        shares=[1.0, 0.2],
        frozen_entries=of(plan.pools.frozen_entries),
    script:
        "../../scripts/conflicts_table.py"
