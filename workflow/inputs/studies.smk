"""What studies need, of each kind."""

from types import SimpleNamespace

from remerge.images.corruptions import CONSTANTS
from remerge.studies.modules import MODULES


def suite_of_study(wildcards):
    """The suite whose task vectors a study merges."""
    return settings.studies[wildcards.study].suite


def tasks_of_study(wildcards):
    """The tasks that a study merges and looks at."""
    study = settings.studies[wildcards.study]
    return study.tasks if study.kind == "robustness" else settings.suites[study.suite]


def task_vectors_of_study(wildcards):
    """The task vectors that a study merges."""
    return task_vectors_of(wildcards, tasks_of_study)


def heads_of_study(wildcards):
    """The zero-shot heads of a study's tasks."""
    return heads_of(wildcards, tasks_of_study)


def images_of_study(wildcards):
    """The images that a part of a study is scored on, and adapts to: of one corruption, or clean."""
    study, size = settings.studies[wildcards.study], size_of(wildcards)
    corrupted = study.kind == "robustness" and wildcards.part != "clean"
    name = f"corrupted/{wildcards.part}-{study.severity}" if corrupted else "test"
    return [
        f"results/images/{size}/{task}/{name}.safetensors"
        for task in tasks_of_study(wildcards)
    ]


def validation_of_study(wildcards):
    """The images that a study chooses by."""
    if settings.studies[wildcards.study].kind != "negation":
        return []
    return in_suite(suite_of_study, images_of("validation"))(wildcards)


def methods_of_study(wildcards):
    """The algorithms and parameters of the methods that a study applies, as :class:`remerge.studies.methods.Merging` has them."""
    names = getattr(settings.studies[wildcards.study], "methods", [])
    return {name: method_in_study(wildcards.pool, name) for name in names}


def method_in_study(pool, name):
    """A method's algorithm and parameters, for a study of a pool."""
    method, wildcards = settings.methods[name], SimpleNamespace(pool=pool, method=name)
    described = {
        "algorithm": method.algorithm,
        "kind": ALGORITHMS[method.algorithm].kind,
        "scaling": getattr(method, "scaling", 1.0),
        "merging": merging_parameters_of(wildcards),
    }
    if method.learns:
        described["learning"] = method.learning_parameters()
    return described


def methods_drawn_in_study(wildcards):
    """A study's methods and those before them, on which their looks depend."""
    shown = methods_of_study(wildcards)
    names = list(settings.methods)
    last = max((names.index(name) for name in shown), default=-1)
    looks = looks_of_methods(names[: last + 1])
    # The others' labels are not drawn.
    return {
        name: look if name in shown else look | {"label": name}
        for name, look in looks.items()
    }


def modules_of_study(wildcards):
    """The library files that a study loads for its kind and its methods."""
    study, methods = settings.studies[wildcards.study], methods_of_study(wildcards)
    files = {algorithm_of(SimpleNamespace(method=name)) for name in methods}
    files.add(file_of_module(MODULES[study.kind]))
    return sorted(files)


def own_files_of_study(wildcards):
    """The files of the user's own methods that a study applies."""
    names = methods_of_study(wildcards)
    return sorted({file for name in names for file in settings.methods[name].files})


def parts_of_suite(wildcards):
    """Every study of a suite with each of its parts."""
    return [
        (name, part)
        for name, study in settings.studies.items()
        if study.suite == wildcards.suite
        for part in study.parts
    ]


def studies_of_suite(wildcards):
    """The scores of all studies of a suite."""
    return [
        f"results/{wildcards.pool}/studies/{name}/{part}.csv"
        for name, part in parts_of_suite(wildcards)
    ]


def names_of_studies_of_suite(wildcards):
    """Which study each of these scores is of."""
    return [name for name, _ in parts_of_suite(wildcards)]
