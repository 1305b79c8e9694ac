"""What encoders are scored by; each function is named after what it returns."""


def zero_shot_scores_of(wildcards):
    """The scores of the pre-trained encoder."""
    (path,) = scores_of_pretrained(wildcards)
    return path


def scores_of_pretrained(wildcards):
    """The same, where the configuration has the pre-trained encoder scored."""
    names = methods_where(lambda method: method.algorithm == "pretrained")
    return of_methods("scores/{suite}/{method}.csv", names[:1])(wildcards)


def encoder_of(wildcards):
    """The encoder a method is scored by."""
    if settings.methods[wildcards.method].algorithm == "pretrained":
        return f"results/{wildcards.pool}/weights/pretrained.safetensors"
    return f"results/{wildcards.pool}/merged/{wildcards.suite}/{wildcards.method}.safetensors"


def scores_of(wildcards):
    """One score file per method."""
    return [
        f"results/{wildcards.pool}/scores/{wildcards.suite}/{method}.csv"
        for method in methods_of(wildcards)
    ]


def tasks_up_to(wildcards):
    """A task, and before it those that suites name earlier: a task added at the end of a suite changes no other's."""
    named = [task for tasks in settings.suites.values() for task in tasks]
    order = list(dict.fromkeys(named))
    return order[: order.index(wildcards.task) + 1]


def experts_scores_of(wildcards):
    """The scores of a suite's experts on each other's tasks, and of some more; each pair is in the later one's file."""
    return [
        f"results/{wildcards.pool}/expert_scores/{task}.csv"
        for task in tasks_of(wildcards)
    ]


def grid_of(wildcards):
    """The scalings of a sweep: on validation images those to choose from, on test images those of the figure."""
    if wildcards.split == "validation":
        return settings.methods[wildcards.method].scaling.grid
    return settings.figures.scalings
