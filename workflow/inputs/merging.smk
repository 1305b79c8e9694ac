"""What methods merge by; each function is named after what it returns."""


def merging_parameters_of(wildcards):
    """The parameters that a merged task vector depends on."""
    parameters = settings.methods[wildcards.method].merging_parameters()
    return parameters | (
        {"frozen": frozen_of(wildcards)} if "keep" in parameters else {}
    )


def coefficients_of(wildcards):
    """The coefficients AdaMerging merges by: learned in this run, or the file the configuration names."""
    method = settings.methods[wildcards.method]
    if method.algorithm != "adamerging":
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
