"""What methods merge by; each function is named after what it returns."""


def merging_parameters_of(wildcards):
    """The parameters that a merged task vector depends on."""
    method = settings.methods[wildcards.method]
    return method.merging_parameters(frozen_entries_of(wildcards))


def learning_parameters_of(wildcards):
    """The parameters that coefficients depend on, beside the task vectors that they scale."""
    return settings.methods[wildcards.method].learning_parameters()


def coefficients_of(wildcards):
    """The coefficients a method merges by: learned in this run, or the file the configuration names."""
    method = settings.methods[wildcards.method]
    if wildcards.method not in methods_of_kind("learned"):
        return []
    if method.learns:
        return f"results/{wildcards.pool}/coefficients/{wildcards.suite}/{wildcards.method}.csv"
    return method.coefficients


def validation_sweep_of(wildcards):
    """The scores a tuned scaling is chosen from: on validation images, never on test images."""
    if not settings.methods[wildcards.method].is_tuned:
        return []
    return f"results/{wildcards.pool}/sweeps/{wildcards.suite}/{wildcards.method}/validation.csv"


def gate_of(wildcards):
    """The verdict on a pool's zero-shot accuracy, for pools whose pre-trained encoder others have scored."""
    if not settings.pools[wildcards.pool].is_published:
        return []
    return f"results/{wildcards.pool}/tables/{wildcards.suite}/zero_shot_gate.csv"
