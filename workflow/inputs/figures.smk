"""What figures are drawn from."""


def plain_task_arithmetic():
    """The methods that are Task Arithmetic with a fixed scaling."""
    return methods_where(
        lambda method: method.algorithm == "task_arithmetic" and not method.is_tuned
    )


def start_of_learning(wildcards):
    """The encoder that AdaMerging starts from, or nearly so: Task Arithmetic's."""
    method, *_ = plain_task_arithmetic()
    return f"results/{wildcards.pool}/merged/{wildcards.suite}/{method}.safetensors"
