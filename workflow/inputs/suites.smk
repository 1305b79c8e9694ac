"""The tasks of suites, and their vectors and heads; each function is named after what it returns."""

from types import SimpleNamespace

from remerge.tasks.clip import clip_task
from remerge.tasks.prompts import TEMPLATES, pretraining_classes


def tasks_of(wildcards):
    """The tasks of a suite, in the configuration's order."""
    return settings.suites[wildcards.suite]


def tasks_of_pool():
    """Every task that some suite uses: those that get an expert."""
    return [
        task
        for task in TASKS
        if any(task in suite for suite in settings.suites.values())
    ]


def task_vectors_of(wildcards, tasks=tasks_of):
    """The task vectors that a suite merges, or those of other tasks."""
    return [
        f"results/{wildcards.pool}/task_vectors/{task}.safetensors"
        for task in tasks(wildcards)
    ]


def heads_of(wildcards, tasks=tasks_of):
    """The zero-shot heads of a suite's tasks, or of others."""
    return [
        f"results/{wildcards.pool}/heads/{task}.safetensors"
        for task in tasks(wildcards)
    ]


def in_suite(suite_of, files_of):
    """A function that returns a suite's files where the wildcards tell of the suite by something else."""
    return lambda wildcards: files_of(
        SimpleNamespace(pool=wildcards.pool, suite=suite_of(wildcards))
    )


def first_suite_of(wildcards):
    """The first suite that a task is in."""
    return next(
        name for name, tasks in settings.suites.items() if wildcards.task in tasks
    )


def texts_of(task):
    """The class names and templates a task's zero-shot head is made from."""
    if task in MINI_TASKS:
        classes, templates = MINI_TASKS[task].classes, TEMPLATES
    elif task in CLIP_TASKS:
        classes, templates = clip_task(task).classes, clip_task(task).templates
    else:
        classes, templates = own_classes[task], settings.tasks[task].templates
    return {"classes": list(classes), "templates": list(templates)}


def pretraining_texts():
    """The class names and templates that the mini CLIP is pre-trained on."""
    return {"classes": list(pretraining_classes()), "templates": list(TEMPLATES)}


def origin_of(task):
    """Whether a task's images are rendered or real."""
    return MINI_TASKS[task].origin if task in MINI_TASKS else "real"
