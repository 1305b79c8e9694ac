"""What tables are made from."""


def jobs_by_method(wildcards):
    """The benchmark files of the jobs that make a suite's merged encoders, each after the method that it is for."""
    jobs, suite = f"benchmarks/jobs/{wildcards.pool}", wildcards.suite
    by_statistics = methods_of_kind("statistics")
    stages = {
        "merge_task_vectors": methods_of_kind("rule", "learned"),
        "merge_by_statistics": by_statistics,
        "merge": merging_methods(),
        "learn_coefficients": learning_methods(),
    }
    return [
        *[
            (name, f"{jobs}/{stage}/{suite}/{name}.tsv")
            for stage, names in stages.items()
            for name in names
        ],
        *[
            (name, f"{jobs}/sweep/{suite}/{name}/validation.tsv")
            for name in methods_where(lambda method: method.is_tuned)
        ],
        *[
            (
                name,
                f"results/{wildcards.pool}/costs/learn_coefficients/{suite}/{name}.tsv",
            )
            for name in learning_methods()
        ],
        *[
            (name, f"{jobs}/expert_statistics/{name}/{task}.tsv")
            for name in by_statistics
            for task in tasks_of(wildcards)
        ],
    ]


def jobs_of(wildcards):
    """The benchmark files of the jobs that make a suite's merged encoders."""
    return [path for _, path in jobs_by_method(wildcards)]


def merged_encoders_of(wildcards):
    """The merged encoders of a suite."""
    return [
        f"results/{wildcards.pool}/merged/{wildcards.suite}/{method}.safetensors"
        for method in merging_methods()
    ]


def table_rows_of(wildcards):
    """What a table says of every method besides its scores."""
    return {
        name: dict(
            label=method.label,
            algorithm=method.algorithm,
            uses=uses_of(wildcards.pool, name),
        )
        for name, method in methods_of(wildcards).items()
    }
