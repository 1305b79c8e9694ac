"""What figures are drawn from."""

from types import SimpleNamespace

from remerge.figures.registry import FIGURES


def plain_task_arithmetic():
    """The methods that are Task Arithmetic with a fixed scaling."""
    return methods_where(
        lambda method: method.algorithm == "task_arithmetic" and not method.is_tuned
    )


def start_of_learning(wildcards):
    """The encoder that AdaMerging starts from, or nearly so: Task Arithmetic's."""
    method, *_ = plain_task_arithmetic()
    return f"results/{wildcards.pool}/merged/{wildcards.suite}/{method}.safetensors"


def table_of(name, condition=lambda wildcards: True):
    """A function that returns a suite's table, where there is one."""
    return lambda wildcards: (
        [f"results/{wildcards.pool}/tables/{wildcards.suite}/{name}.csv"]
        if condition(wildcards)
        else []
    )


def individual_scores_of(wildcards):
    """The scores of the experts on their own tasks."""
    experts = methods_where(lambda method: method.algorithm == "individual")
    return of_methods("scores/{suite}/{method}.csv", experts[:1])(wildcards)


# What an entry of the registry may need, and where it lies; an empty list where there is none of it.
EVIDENCE = {
    "images": images_of("test"),
    "scores": scores_of,
    "experts": individual_scores_of,
    "sweeps": of_methods("sweeps/{suite}/{method}/test.csv", swept_methods()),
    "records": of_methods("merged/{suite}/{method}.json", scaled_methods()),
    "published_curves": lambda wildcards: [CURVES],
    "published_methods": lambda wildcards: [MEASURED],
    "trajectories": of_methods("trajectories/{suite}/{method}.csv", learning_methods()),
    "taskwise_coefficients": of_methods(
        "coefficients/{suite}/{method}.csv", learning_methods("task")
    ),
    "layerwise_coefficients": of_methods(
        "coefficients/{suite}/{method}.csv", learning_methods("layer")
    ),
    "cosine": table_of("cosine"),
    "conflicts": table_of("conflicts", lambda wildcards: len(tasks_of(wildcards)) > 1),
    "entropy": table_of("entropy", lambda wildcards: bool(plain_task_arithmetic())),
}

for figure, entry in FIGURES.items():
    if unknown := sorted(set(entry.needs) - set(EVIDENCE)):
        raise WorkflowError(
            f"remerge/figures/registry.py: {figure}: needs: unknown {unknown[0]!r}; known: {', '.join(EVIDENCE)}"
        )
    if not (ROOT / "remerge" / "figures" / f"{figure}.py").is_file():
        raise WorkflowError(
            f"remerge/figures/registry.py: {figure}: remerge/figures/{figure}.py, which is to draw it, is not there"
        )


def evidence_of(wildcards):
    """What a figure is drawn from, by name."""
    return {need: EVIDENCE[need](wildcards) for need in FIGURES[wildcards.figure].needs}


def methods_told_in(wildcards):
    """What a figure says of methods, of all beside scores, so that each looks the same in every figure."""
    entry = FIGURES[wildcards.figure]
    if not entry.tells_methods:
        return {}
    if "sweeps" in entry.needs:
        # Methods that differ in nothing but their scaling share a curve.
        described = described_methods_of(wildcards)
        return {
            name: method | {"looks": settings.looks_of(name)}
            for name, method in described.items()
        }
    shown = methods_of(wildcards) if "scores" in entry.needs else learning_methods()
    return looks_of_methods(shown)


def figures_of(pool, suite):
    """The figures that a pool and suite give rise to."""
    place = SimpleNamespace(pool=pool, suite=suite)
    return [
        name
        for name, entry in FIGURES.items()
        if all(EVIDENCE[need](place) for need in entry.needs)
    ]
