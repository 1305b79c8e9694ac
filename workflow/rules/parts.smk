"""Merged results that keep a part for every task beside the weights that all share.

needs  results/{pool}/weights/pretrained.safetensors, results/{pool}/task_vectors/{task}.safetensors; methods that merge by
       singular value decompositions of task vectors: these; methods that adapt another's encoder: that encoder, experts
       and test images (labels unused); methods with a router: heads and validation or test images (labels unused)
makes  results/{pool}/adapters/{suite}/{method}.safetensors       of all tasks, as they are learned
       results/{pool}/routers/{suite}/{method}.safetensors        learned, between all tasks
       results/{pool}/merged/{suite}/{method}.safetensors         what all tasks share
       results/{pool}/merged/{suite}/{method}/{task}.safetensors  what a task has besides
"""


rule learn_adapters:
    """Learn an adapter for every task, so that a merged encoder comes closest to the experts, on unlabeled test images."""
    input:
        encoder=of(plan.merging.adapted),
        experts=of(plan.scores.experts),
        images=of(plan.images.of_suite, split="test"),
    output:
        "results/{pool}/adapters/{suite}/{method}.safetensors",
    log:
        "logs/{pool}/learn_adapters/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/learn_adapters/{suite}/{method}.tsv"
    wildcard_constraints:
        method=any_of(plan.methods.of_kind("adapters")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="score"),
        runtime=of(plan.resources.minutes, work="score"),
    params:
        code=code("scripts/learn_adapters.py", of(plan.methods.modules)),
        tasks=of(plan.tasks.in_suite),
        seed=of(plan.pools.seed),
        algorithm=of(plan.methods.algorithm),
        learning=of(plan.methods.learning_parameters),
    script:
        "../../scripts/learn_adapters.py"


rule learn_router:
    """Learn the router between a method's parts on images of the tasks, without their labels."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vectors=of(plan.merging.task_vectors),
        svds=of(plan.merging.svds),
        heads=of(plan.scores.heads),
        images=of(plan.images.learned_from),
        gate=of(plan.merging.gate),
        own=of(plan.methods.files),
    output:
        "results/{pool}/routers/{suite}/{method}.safetensors",
    log:
        "logs/{pool}/learn_router/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/learn_router/{suite}/{method}.tsv"
    wildcard_constraints:
        method=any_of(plan.methods.of_kind("routers")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="adapt"),
        runtime=of(plan.resources.minutes, work="adapt"),
    params:
        code=code("scripts/learn_router.py", of(plan.methods.modules)),
        tasks=of(plan.tasks.in_suite),
        seed=of(plan.pools.seed),
        algorithm=of(plan.methods.algorithm),
        merging=of(plan.merging.parameters),
        learning=of(plan.methods.learning_parameters),
    script:
        "../../scripts/learn_router.py"


# An output cannot depend on wildcards, and how many parts there are depends on the suite: a rule for each.
for suite in settings.suites:

    rule:
        name:
            f"merge_into_parts_{suite}"
        input:
            pretrained="results/{pool}/weights/pretrained.safetensors",
            task_vectors=of(plan.merging.task_vectors, suite=suite),
            svds=of(plan.merging.svds, suite=suite),
            router=of(plan.merging.router, suite=suite),
            gate=of(plan.merging.gate, suite=suite),
            own=of(plan.methods.files),
        output:
            shared=f"results/{{pool}}/merged/{suite}/{{method}}.safetensors",
            parts=plan.merging.parts_beside(
                f"results/{{pool}}/merged/{suite}/{{method}}.safetensors", suite
            ),
        log:
            f"logs/{{pool}}/merge_into_parts/{suite}/{{method}}.log",
        benchmark:
            f"benchmarks/jobs/{{pool}}/merge_into_parts/{suite}/{{method}}.tsv"
        wildcard_constraints:
            method=any_of(plan.methods.of_kind("parts", "routers")),
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            gpu=of(plan.methods.gpus, most=GPU),
            mem_mb=of(plan.resources.memory, work="merge"),
            runtime=of(plan.resources.minutes, work="merge"),
        params:
            code=code("scripts/merge_into_parts.py", of(plan.methods.modules)),
            tasks=plan.tasks.in_suite(suite),
            algorithm=of(plan.methods.algorithm),
            assembly=of(plan.methods.assembly),
            merging=of(plan.merging.parameters),
        script:
            "../../scripts/merge_into_parts.py"

    rule:
        name:
            f"attach_adapters_{suite}"
        input:
            encoder=of(plan.merging.adapted, suite=suite),
            adapters=f"results/{{pool}}/adapters/{suite}/{{method}}.safetensors",
        output:
            shared=f"results/{{pool}}/merged/{suite}/{{method}}.safetensors",
            parts=plan.merging.parts_beside(
                f"results/{{pool}}/merged/{suite}/{{method}}.safetensors", suite
            ),
        log:
            f"logs/{{pool}}/attach_adapters/{suite}/{{method}}.log",
        benchmark:
            f"benchmarks/jobs/{{pool}}/attach_adapters/{suite}/{{method}}.tsv"
        wildcard_constraints:
            method=any_of(plan.methods.of_kind("adapters")),
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=of(plan.resources.memory, work="merge"),
            runtime=of(plan.resources.minutes, work="merge"),
        params:
            code=code("scripts/attach_adapters.py"),
            tasks=plan.tasks.in_suite(suite),
            assembly=of(plan.methods.assembly),
        script:
            "../../scripts/attach_adapters.py"
