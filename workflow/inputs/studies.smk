"""What studies need, of each kind."""

from types import SimpleNamespace

from remerge.corruptions import CONSTANTS


def suite_of_study(wildcards):
    """The suite whose task vectors a study merges."""
    return settings.studies[wildcards.study].suite


def task_vectors_of_study(wildcards):
    """The task vectors of a study's suite."""
    return [
        f"results/{wildcards.pool}/task_vectors/{task}.safetensors"
        for task in settings.suites[suite_of_study(wildcards)]
    ]


def heads_of_study(wildcards):
    """The zero-shot heads of a study's suite."""
    return [
        f"results/{wildcards.pool}/heads/{task}.safetensors"
        for task in settings.suites[suite_of_study(wildcards)]
    ]


def image_tasks_of_study(wildcards):
    """The tasks whose images a study looks at."""
    study = settings.studies[wildcards.study]
    return study.tasks if study.kind == "robustness" else settings.suites[study.suite]


def images_of_study(wildcards):
    """The images that a part of a study is scored on, and adapts to: of one corruption, or clean."""
    study, size = settings.studies[wildcards.study], size_of(wildcards)
    corrupted = study.kind == "robustness" and wildcards.part != "clean"
    name = f"corrupted/{wildcards.part}-{study.severity}" if corrupted else "test"
    return [
        f"results/images/{size}/{task}/{name}.safetensors"
        for task in image_tasks_of_study(wildcards)
    ]


def validation_of_study(wildcards):
    """The images that a study chooses by."""
    study, size = settings.studies[wildcards.study], size_of(wildcards)
    if study.kind != "negation":
        return []
    return [
        f"results/images/{size}/{task}/validation.safetensors"
        for task in settings.suites[study.suite]
    ]


def gate_of_study(wildcards):
    """The verdict on the zero-shot accuracy of a study's pool."""
    if not settings.pools[wildcards.pool].is_published:
        return []
    return f"results/{wildcards.pool}/tables/{suite_of_study(wildcards)}/zero_shot_gate.csv"


def methods_of_study(wildcards):
    """The algorithms and parameters of the methods that a study applies."""
    names = getattr(settings.studies[wildcards.study], "methods", [])
    return {
        name: {
            "algorithm": settings.methods[name].algorithm,
            **settings.methods[name].parameters(),
        }
        for name in names
    }


def each_method_of_study(files_of_method):
    """A function that returns files of all methods that a study applies."""
    return lambda wildcards: sorted(
        {
            file
            for name in methods_of_study(wildcards)
            for file in files_of_method(SimpleNamespace(method=name))
        }
    )


def studies_of_suite(wildcards):
    """The scores of all studies of a suite."""
    return [
        f"results/{wildcards.pool}/studies/{name}/{part}.csv"
        for name, study in settings.studies.items()
        if study.suite == wildcards.suite
        for part in study.parts
    ]
