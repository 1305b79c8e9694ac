"""Which methods there are, and what is said of them; each function is named after what it returns."""

from remerge.scoring.held_out import looks_at
from remerge.methods.registry import ALGORITHMS, MERGING


def methods_where(condition):
    """The ids of the methods that meet a condition."""
    return [name for name, method in settings.methods.items() if condition(method)]


def methods_of_kind(*kinds):
    """The ids of the methods of some kinds."""
    return list(settings.methods_of_kind(*kinds))


def merging_methods():
    """The methods that merge, of whatever kind."""
    return methods_of_kind(*MERGING)


def methods_of(wildcards):
    """The methods that a pool can be scored by: without training images nothing is trained on all tasks."""
    joint = (
        [] if settings.pools[wildcards.pool].is_trained else methods_of_kind("joint")
    )
    return {
        name: method for name, method in settings.methods.items() if name not in joint
    }


def parameters_of(wildcards):
    """A method's algorithm and its parameters, as plain values: what a change of makes a method run again."""
    method = settings.methods[wildcards.method]
    return {"algorithm": method.algorithm, **method.parameters()}


def joint_training_of(wildcards):
    """How one encoder is trained on all tasks."""
    steps = settings.methods[wildcards.method].steps
    return settings.training.finetuning.model_dump() | {"steps": steps}


def labels_of(wildcards):
    """The methods' names for people, by id."""
    return {name: method.label for name, method in methods_of(wildcards).items()}


def described_methods_of(wildcards):
    """Every method's algorithm, label and parameters, as plain values, in the table's order."""
    return {name: method.model_dump() for name, method in methods_of(wildcards).items()}


def parameters_by_method(wildcards):
    """Every method's algorithm and parameters, by id: labels judge nothing."""
    methods = methods_of(wildcards)
    return {
        name: method.model_dump(exclude={"label"}) for name, method in methods.items()
    }


def looks_of_methods(names):
    """What decides how methods look in figures."""
    deciding = {"label", "algorithm", "granularity"}
    return {
        name: settings.methods[name].model_dump(include=deciding)
        | {"looks": settings.looks_of(name)}
        for name in names
    }


def uses_of(pool, method):
    """The data a method looks at beyond a pool's checkpoints."""
    chosen = settings.methods[method]
    needs = ALGORITHMS[chosen.algorithm].needs
    return looks_at(needs, chosen.is_tuned, settings.pools[pool].holds_out)


def of_methods(place, methods):
    """A function that returns a suite's files of some methods."""
    return lambda wildcards: expand(
        f"results/{{pool}}/{place}",
        pool=wildcards.pool,
        suite=wildcards.suite,
        method=methods,
    )


def scaled_methods():
    """The methods that have a scaling."""
    return methods_where(lambda method: hasattr(method, "scaling"))


def swept_methods():
    """The methods whose accuracy is drawn against the scaling; where several differ in it alone, the first of them."""
    first = {}
    for name in scaled_methods():
        method = settings.methods[name]
        merging = (method.algorithm, repr(method.merging_parameters()))
        first.setdefault(merging, name)
    return list(first.values())


def learning_methods(granularity=None):
    """The methods that learn coefficients in this run, of one granularity or of any."""
    return methods_where(
        lambda method: (
            method.learns
            and granularity in (None, getattr(method, "granularity", None))
        )
    )
