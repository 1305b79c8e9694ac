"""What studies need, of each kind."""

from types import SimpleNamespace

from remerge.images.corruptions import CONSTANTS
from remerge.studies.kind import figure_of, load, module_of


def suite_of_study(wildcards):
    """The suite whose task vectors a study merges."""
    return settings.studies[wildcards.study].suite


def tasks_of_study(wildcards):
    """The tasks that a study merges and looks at."""
    study = settings.studies[wildcards.study]
    return study.tasks_in(settings.suites[study.suite])


def task_vectors_of_study(wildcards):
    """The task vectors that a study merges."""
    return task_vectors_of(wildcards, tasks_of_study)


def heads_of_study(wildcards):
    """The zero-shot heads of a study's tasks."""
    return heads_of(wildcards, tasks_of_study)


def images_of_study(wildcards):
    """The images that a part of a study is scored on, and adapts to: of one corruption, or clean."""
    images = settings.studies[wildcards.study].images_of(wildcards.part)
    return [
        f"results/images/{size_of(wildcards)}/{task}/{images}.safetensors"
        for task in tasks_of_study(wildcards)
    ]


def validation_of_study(wildcards):
    """The images that a study chooses by."""
    if not settings.studies[wildcards.study].looks_at_validation:
        return []
    return in_suite(suite_of_study, images_of("validation"))(wildcards)


def methods_of_study(wildcards):
    """The algorithms and parameters of the methods that a study applies."""
    return {
        name: parameters_of(SimpleNamespace(method=name))
        for name in settings.studies[wildcards.study].applied
    }


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


def kind_of_study(wildcards):
    """A study's kind."""
    return settings.studies[wildcards.study].kind


def code_of_study(wildcards, *names):
    """Of the library file of a study's kind, what some of its functions and constants need."""
    file = file_of_module(module_of(kind_of_study(wildcards)))
    return [f"{file}:{name}" for name in names]


def modules_of_study(wildcards):
    """The library code that a study loads for its kind and its methods."""
    methods = methods_of_study(wildcards)
    files = {algorithm_of(SimpleNamespace(method=name)) for name in methods}
    return [*code_of_study(wildcards, "variants"), *sorted(files)]


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


def kinds_of_studies_of_suite(wildcards):
    """The kind of each study of a suite."""
    names = names_of_studies_of_suite(wildcards)
    return {name: settings.studies[name].kind for name in names}


def labels_of_studies_of_suite(wildcards):
    """The library code that tells the encoders of a suite's studies apart."""
    kinds = set(kinds_of_studies_of_suite(wildcards).values())
    return [
        f"{file_of_module(module_of(kind))}:encoders"
        for kind in sorted(kinds)
        if hasattr(load(kind), "encoders")
    ]
