"""Contradictions between keys that are each valid on their own."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from remerge.config.names import RESERVED, fault_in_label, faults_in_names
from remerge.config.own_methods import faults_of
from remerge.config.wording import Fault, Location, did_you_mean
from remerge.methods import load as load_method
from remerge.methods.parameters import parameters_in
from remerge.methods.registry import ALGORITHMS, MERGING, WITH_PARTS, Kind
from remerge.studies.kind import load
from remerge.studies.registry import KINDS
from remerge.t5 import architectures as t5
from remerge.tasks import MINI_TASKS, dates
from remerge.tasks.clip import CLIP_TASKS, clip_task
from remerge.tasks.glue import GLUE_TASKS

DATA_FREE: tuple[Kind, ...] = ("reference", "rule", "parts")
"""Kinds of methods that look at weights alone."""
REBUILT = ("plain", "masked", "low_rank")
"""Assemblies that change a model's weights and add no modules to it."""


def contradictions(values: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield every contradiction.

    Args:
        values: The configuration as written. Values of the wrong type are ignored here, so that contradictions are
            reported together with the models' faults.
    """
    sections = {kind: _mapping(values.get(kind)) for kind in RESERVED}
    for suite, tasks in sections["suites"].items():
        if isinstance(tasks, list):
            yield from _in_suite(
                suite, tasks, [*MINI_TASKS, *CLIP_TASKS, *dates.TASKS, *GLUE_TASKS, *sections["tasks"]]
            )
    for kind, section in sections.items():
        yield from faults_in_names(kind, list(section))
    yield from _in_methods(sections["methods"])
    yield from _in_studies(sections)
    yield from _in_clip_tasks(_mapping(values.get("clip_tasks")))
    yield from _in_sizes(sections)
    yield from _in_reading(sections)
    yield from _with_texts(values, sections)
    yield from _in_experts(sections)
    yield from _in_gates(sections)
    yield from _in_numbers_of_tasks(sections)
    yield from _in_curves(_mapping(values.get("figures")), list(sections["suites"]))


def _mapping(section: Any) -> dict[str, Any]:
    if not isinstance(section, Mapping):
        return {}
    return {name: entry for name, entry in section.items() if isinstance(name, str)}


def _list(entry: Any) -> list[Any]:
    return entry if isinstance(entry, list) else []


def _in_suite(suite: str, tasks: Sequence[Any], known: Sequence[str]) -> Iterator[Fault]:
    location = ("suites", suite)
    if not tasks:
        yield location, "the suite is empty; list at least one task"
    for task, count in Counter(task for task in tasks if isinstance(task, str)).items():
        if task not in known:
            yield location, f"unknown task {task!r}; {did_you_mean(task, known)}"
        if count > 1:
            yield location, f"task {task!r} is listed {count} times; list it once"


def _in_methods(methods: Mapping[str, Any]) -> Iterator[Fault]:
    labels: dict[str, str] = {}
    for name, entry in methods.items():
        method = _mapping(entry)
        label, coefficients = method.get("label"), method.get("coefficients")
        if isinstance(label, str) and (other := labels.setdefault(label, name)) != name:
            yield ("methods", name, "label"), f"{label!r} is also the label of {other!r}; each needs its own"
        if isinstance(label, str) and (fault := fault_in_label(label)):
            yield ("methods", name, "label"), f"{label!r}: {fault}"
        for location, each in _with_wrapped(("methods", name), method):
            if each.get("algorithm") == "own" and isinstance(each.get("file"), str):
                yield from faults_of(location, each)
        if _kind_of(method) == "adapters" and isinstance(adapted := method.get("around"), str):
            yield from _of_adapted(("methods", name, "around"), adapted, methods)
        if isinstance(coefficients, str) and not Path(coefficients).is_file():
            yield ("methods", name, "coefficients"), f"no such file: {coefficients}"


def _of_adapted(location: Location, name: str, methods: Mapping[str, Any]) -> Iterator[Fault]:
    """The method that another one adapts."""
    if name not in methods:
        yield location, f"unknown method {name!r}; {did_you_mean(name, list(methods))}"
    elif _kind_of(_mapping(methods[name])) not in MERGING:
        yield location, f"{name!r} does not merge into one encoder; name a method that does"


def _with_wrapped(location: Location, method: Mapping[str, Any]) -> Iterator[tuple[Location, Mapping[str, Any]]]:
    """A method and those that it wraps, with their places in the configuration."""
    while method:
        yield location, method
        location, method = (*location, "around"), _mapping(method.get("around"))


def _in_studies(sections: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    for name, entry in sections["studies"].items():
        study = _mapping(entry)
        suite = study.get("suite")
        if not isinstance(suite, str):
            continue
        if suite not in sections["suites"]:
            known = list(sections["suites"])
            yield ("studies", name, "suite"), f"unknown suite {suite!r}; {did_you_mean(suite, known)}"
            continue
        tasks = [task for task in _list(sections["suites"][suite]) if isinstance(task, str)]
        if (kind := study.get("kind")) in KINDS:
            settings = load(kind).Settings
            if 0 < len(tasks) < settings.fewest_tasks:
                yield (
                    ("studies", name, "suite"),
                    f"{kind} needs {settings.fewest_tasks} tasks, and suite {suite!r} has {len(tasks)}; name another "
                    "suite, or set the study to null",
                )
            for key in settings.merged_keys:
                yield from _of_suite(("studies", name, key), study.get(key), suite, tasks)
            for key in settings.left_out_keys:
                for left_out in map(_list, _list(study.get(key))):
                    yield from _of_suite(("studies", name, key), left_out, suite, tasks)
                    if set(tasks) <= set(map(str, left_out)):
                        yield ("studies", name, key), "every task of the suite is left out; leave one to merge"
        for method in _list(study.get("methods")):
            if isinstance(method, str):
                yield from _for_study(("studies", name, "methods"), method, sections["methods"])


def _of_suite(location: Location, named: Any, suite: str, tasks: Sequence[str]) -> Iterator[Fault]:
    for task in _list(named):
        if isinstance(task, str) and task not in tasks:
            yield location, f"{task!r} is no task of suite {suite!r}; {did_you_mean(task, tasks)}"


def _for_study(location: Location, name: str, methods: Mapping[str, Any]) -> Iterator[Fault]:
    method = _mapping(methods.get(name))
    if name not in methods:
        yield location, f"unknown method {name!r}; {did_you_mean(name, list(methods))}"
    elif (kind := _kind_of(method)) in ("reference", "joint"):
        yield location, f"{name!r} merges nothing; name a method that merges"
    elif kind in WITH_PARTS:
        yield location, f"{name!r} keeps a part for every task, and studies merge into one encoder; name another method"
    elif kind == "statistics":
        yield location, f"{name!r} wants statistics of the experts, which studies do not collect; name another method"
    elif kind == "exemplars":
        yield location, f"{name!r} looks at validation images, which studies do not read; name another method"
    elif isinstance(method.get("scaling"), Mapping):
        yield location, f"{name!r} is tuned, and studies tune nothing; name a method with a number as its scaling"
    elif method.get("coefficients") is not None:
        yield location, f"{name!r} applies coefficients of another merge; name a method that learns"


def _kind_of(method: Mapping[str, Any]) -> Kind | None:
    algorithm = method.get("algorithm")
    return ALGORITHMS[algorithm].kind if isinstance(algorithm, str) and algorithm in ALGORITHMS else None


def _in_clip_tasks(tasks: Mapping[str, Any]) -> Iterator[Fault]:
    for name, entry in tasks.items():
        images = _mapping(entry)
        source, known = images.get("source"), clip_task(name).sources if name in CLIP_TASKS else []
        if source in ("hub", "torchvision") and known and source not in known:
            yield (
                ("clip_tasks", name, "source"),
                f"{source} cannot download {name}; take it from {' or '.join(known)}, or place it as folder: "
                f"{name.lower()} with {{train,test}}/{{class}}/{{image}}",
            )
        if "source" in images and "folder" in images:
            yield ("clip_tasks", name), "has a source and a folder; remove one"


def _in_sizes(sections: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    """Drawn tasks only come in the mini encoder's image size."""
    images = {name: _mapping(pool) for name, pool in sections["pools"].items() if _reads(pool) == "images"}
    large = [name for name, pool in images.items() if pool.get("architecture", "mini") != "mini"]
    if not large:
        return
    for suite, tasks in sections["suites"].items():
        drawn = [task for task in tasks if task in MINI_TASKS] if isinstance(tasks, list) else []
        if drawn:
            yield (
                ("suites", suite),
                f"{', '.join(drawn)}: drawn for architecture mini, and pool {', '.join(large)} needs larger images; "
                "name other tasks, or leave the pool or the suite out (set it to null)",
            )


def _in_reading(sections: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    """Every pool merges every suite, so all must read the same."""
    known = {
        "images": {*MINI_TASKS, *CLIP_TASKS, *sections["tasks"]},
        "texts": set(dates.TASKS),
        "instructions": set(GLUE_TASKS),
    }
    for suite, entry in sections["suites"].items():
        for kind, having in known.items():
            tasks = [task for task in _list(entry) if isinstance(task, str) and task in having]
            others = [name for name, pool in sections["pools"].items() if _reads_of(pool) != kind]
            if tasks and others:
                yield (
                    ("suites", suite),
                    f"{', '.join(tasks)}: of {kind}, which pool {', '.join(others)} does not read; name other tasks, "
                    "or leave the pool or the suite out (set it to null)",
                )


def _with_texts(values: Mapping[str, Any], sections: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    """What looks at images, or runs a CLIP, where a pool reads texts."""
    pools = ", ".join(name for name, pool in sections["pools"].items() if _reads(pool) == "texts")
    if not pools:
        return
    for name, entry in sections["methods"].items():
        method = _mapping(entry)
        kind, algorithm = _kind_of(method), method.get("algorithm")
        if kind is not None and (kind not in DATA_FREE or ALGORITHMS[str(algorithm)].assembly not in REBUILT):
            yield (
                ("methods", name, "algorithm"),
                f"{algorithm} merges image encoders only, and pool {pools} reads texts; leave the method out (set it "
                "to null)",
            )
    for name in sections["studies"]:
        yield ("studies", name), f"studies score images, and pool {pools} reads texts; set the study to null"
    if _mapping(values.get("scoring")).get("precision", "float32") != "float32":
        yield ("scoring", "precision"), f"pool {pools} reads texts, which are scored in float32; remove the key"


def _reads_of(pool: Any) -> str:
    """What a pool reads, by kinds of tasks: texts that are instructions are apart."""
    return "instructions" if _mapping(pool).get("architecture") in t5.FLAN else _reads(pool)


def _reads(pool: Any) -> str:
    return "texts" if str(_mapping(pool).get("architecture")) in t5.ARCHITECTURES else "images"


def _in_experts(sections: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    """Published checkpoints are of some tasks only."""
    for name, pool in sections["pools"].items():
        origin = _mapping(pool).get("origin", "trained")
        if origin in ("trained", "finetuned", "random"):
            continue
        for suite, tasks in sections["suites"].items():
            for task in _list(tasks):
                if task in CLIP_TASKS and origin not in (known := clip_task(task).experts):
                    yield (
                        ("suites", suite),
                        f"{task}: pool {name!r} has no expert of it, as origin {origin} holds none; origins with one: "
                        f"{', '.join(known)}. Name another task, or leave the pool or the suite out (set it to null)",
                    )


def _in_gates(sections: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    """Downloaded encoders are checked by their zero-shot accuracy, so some method must measure it."""
    downloaded = [
        name
        for name, pool in sections["pools"].items()
        if _mapping(pool).get("origin", "trained") not in ("trained", "random")
    ]
    if downloaded and not any(
        _mapping(method).get("algorithm") == "pretrained" for method in sections["methods"].values()
    ):
        yield (
            ("methods",),
            f"pool {', '.join(downloaded)} is checked by its zero-shot accuracy before anything is merged: "
            "add a method with algorithm: pretrained",
        )


def _in_numbers_of_tasks(sections: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    """Every method merges every suite, and some merge few tasks only."""
    for name, entry in sections["methods"].items():
        for location, method in _with_wrapped(("methods", name), _mapping(entry)):
            if _kind_of(method) is None:
                continue
            most = parameters_in(load_method(method["algorithm"])).most_tasks
            for suite, tasks in sections["suites"].items():
                if most is not None and len(_list(tasks)) > most:
                    yield (
                        (*location, "algorithm"),
                        f"{method['algorithm']} merges at most {most} tasks, and suite {suite!r} has {len(tasks)}; "
                        "name another algorithm, or leave the method or the suite out (set it to null)",
                    )


def _in_curves(figures: Mapping[str, Any], suites: Sequence[str]) -> Iterator[Fault]:
    """Curves are of suites."""
    for suite in _list(figures.get("curves")):
        if isinstance(suite, str) and suite not in suites:
            yield ("figures", "curves"), f"unknown suite {suite!r}; {did_you_mean(suite, suites)}"
