"""What the rules ask of the configuration; each function is named after what it returns."""

import os
import re
import shutil
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

from remerge.architectures import ARCHITECTURES
from remerge.config import inspect_tasks, load_config
from remerge.corruptions import CONSTANTS
from remerge.devices import local_gpus
from remerge.downloads.attempts import next_attempt
from remerge.errors import RemergeError
from remerge.files import remove_leftovers
from remerge.merging.registry import ALGORITHMS
from remerge.provenance import damaged_results, missing_since_set_aside, set_aside
from remerge.sources import source_files
from remerge.tasks import MINI_TASKS
from remerge.tasks.clip import CLIP_TASKS, HUB_NAMES, clip_task
from remerge.tasks.folder import class_names

ROOT = Path(workflow.basedir)
SPLITS = ["train", "validation", "test"]
PUBLISHED = os.path.relpath(ROOT / "published" / "main.csv")
CURVES = os.path.relpath(ROOT / "published" / "curves.csv")
CLAIMS = os.path.relpath(ROOT / "published" / "claims.yaml")

# A request for a GPU where there is none would make jobs wait for each other; a cluster profile asks for its own.
GPU = min(1, local_gpus())

try:
    settings = load_config(
        config, [ROOT / "config.yaml", *workflow.config_settings.configfiles]
    )
    # Every folder is read through before the first job starts, and again only when a file in it changed.
    folders = inspect_tasks(settings.tasks, settings.clip_tasks, ".snakemake/remerge")
    own_classes = {
        name: class_names(folders[name], task.classes)
        for name, task in settings.tasks.items()
    }
except RemergeError as error:
    raise WorkflowError(str(error))

# What is no longer what was made is used no more. A plan only says so, and beside another run nothing is touched.
if workflow.is_main_process and not any(Path(".snakemake/locks").glob("*")):
    damaged = damaged_results("results")
    for name in damaged:
        logger.warning(
            f"{name}: damaged since made; a run sets it aside and makes it again"
        )
    if not workflow.output_settings.dryrun:
        remove_leftovers("results")
        set_aside(damaged)

TASKS = [*MINI_TASKS, *CLIP_TASKS, *settings.tasks]


NEEDS = yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text())


def needed(work, wildcards):
    """Megabytes and minutes of one kind of work, for the architecture of the pool it is done for."""
    needs = NEEDS[work]
    return (
        needs[settings.pools[wildcards.pool].architecture]
        if isinstance(needs, dict)
        else needs
    )


def memory(work):
    """A function that returns the megabytes to ask for; more with every attempt."""
    return lambda wildcards, attempt: attempt * needed(work, wildcards)[0]


def minutes(work):
    """A function that returns the minutes to ask for; more with every attempt."""
    return lambda wildcards, attempt: attempt * needed(work, wildcards)[1]


def damaged_before(wildcards):
    """Damaged results that this configuration can make again: nothing else would ask for those already used."""
    return [
        name
        for name in missing_since_set_aside("results")
        if any(rule.is_producer(name) for rule in workflow.rules)
    ]


def any_of(names):
    """A wildcard constraint that matches these names and nothing else."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


wildcard_constraints:
    pool=any_of(settings.pools),
    suite=any_of(settings.suites),
    method=any_of(settings.methods),
    task=any_of(TASKS),
    split=any_of(SPLITS),
    study=any_of(settings.studies),
    part=r"[a-z0-9_-]+",
    size=r"\d+",


def sources(*scripts):
    """The scripts and the library files they import: a stage runs again when its code has changed."""
    files = {file for script in scripts for file in source_files(script, ROOT)}
    return [os.path.relpath(ROOT / file) for file in sorted(files)]


def algorithm_sources(wildcards):
    """The library files of the algorithm behind a method."""
    merging = ALGORITHMS[settings.methods[wildcards.method].algorithm].module
    return sources(Path(*merging.split(".")).with_suffix(".py"))


def own_file_of(wildcards):
    """The file of a method of the user's own."""
    method = settings.methods[wildcards.method]
    return [method.file] if method.algorithm == "own" else []


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


BUILT_IN = [task for task in tasks_of_pool() if task not in settings.tasks]


def parameters_of(wildcards):
    """A method's algorithm and its parameters, as plain values: what a change of makes a method run again."""
    method = settings.methods[wildcards.method]
    return {"algorithm": method.algorithm, **method.parameters()}


def methods_where(condition):
    """The ids of the methods that meet a condition."""
    return [name for name, method in settings.methods.items() if condition(method)]


def pools_where(condition):
    """The names of the pools that meet a condition."""
    return [name for name, pool in settings.pools.items() if condition(pool)]


def clip_tasks_from(source):
    """The papers' tasks whose images come from a source: hub, torchvision, none, or a folder."""
    return [task for task in CLIP_TASKS if settings.source_of(task) == source]


def texts_of(task):
    """The class names and templates a task's zero-shot head is made from."""
    if task in MINI_TASKS or task in CLIP_TASKS:
        described = MINI_TASKS[task] if task in MINI_TASKS else clip_task(task)
        return {
            "classes": list(described.classes),
            "templates": list(described.templates),
        }
    return {
        "classes": list(own_classes[task]),
        "templates": settings.tasks[task].templates,
    }


def task_vectors_of(wildcards):
    """The task vectors that a suite merges."""
    return [
        f"results/{wildcards.pool}/task_vectors/{task}.safetensors"
        for task in tasks_of(wildcards)
    ]


def heads_of(wildcards):
    """The zero-shot heads of a suite's tasks."""
    return [
        f"results/{wildcards.pool}/heads/{task}.safetensors"
        for task in tasks_of(wildcards)
    ]


def size_of(wildcards):
    """The side in pixels of the images that a pool's encoders take."""
    return settings.pools[wildcards.pool].image_size


def images_of(split, tasks=tasks_of):
    """A function that returns the images of one split of every task, in the size a pool's encoders take."""
    return lambda wildcards: [
        f"results/images/{size_of(wildcards)}/{task}/{split}.safetensors"
        for task in tasks(wildcards)
    ]


def split_images_of(wildcards):
    """The images of a suite's tasks, of the split that a sweep is scored on."""
    return images_of(wildcards.split)(wildcards)


def joint_training_of(wildcards):
    """How one encoder is trained on all tasks."""
    steps = settings.methods[wildcards.method].steps
    return settings.training.finetuning.model_dump() | {"steps": steps}


def methods_of(wildcards):
    """The methods that a pool can be scored by: without training images nothing is trained on all tasks."""
    trained = settings.pools[wildcards.pool].is_trained
    return {
        name: method
        for name, method in settings.methods.items()
        if trained or not method.is_joint
    }


def audit_of(wildcards):
    """What the audit of a pool's images found."""
    return f"results/images/{size_of(wildcards)}/audit.csv"


def tasks_of_size(wildcards):
    """The tasks that pools of one image size use."""
    return (
        tasks_of_pool()
        if int(wildcards.size) in {pool.image_size for pool in settings.pools.values()}
        else []
    )


def record_of(wildcards):
    """The record of a download that a split of a task is read from, if it is downloaded from the Hub."""
    if settings.source_of(wildcards.task) != "hub":
        return []
    part = "test" if wildcards.split == "test" else "train"
    return f"results/downloads/{wildcards.task}/{part}.json"


def folder_content_of(wildcards):
    """A fingerprint of the folder that a task is read from, if it is."""
    found = folders.get(wildcards.task)
    return found.fingerprint if found else None


def architecture_of(wildcards):
    """The name of a pool's architecture."""
    return settings.pools[wildcards.pool].architecture


def disk_need():
    """What is to be known, before anything starts, of the room that the papers' images take."""
    size = max(pool.image_size for pool in settings.pools.values())
    tasks = [clip_task(task) for task in tasks_of_pool() if task in CLIP_TASKS]
    if not tasks:
        return []
    image, free = 3e-9 * size**2, shutil.disk_usage(".").free / 1e9
    kept = sum(task.test + min(5000, task.train // 10) for task in tasks) * image
    largest = max(task.train for task in tasks) * image
    return [
        f"Images of {len(tasks)} of the papers' tasks at {size} x {size}: {kept:.0f} GB for test and validation, "
        f"up to {largest:.0f} GB more while a task's training images are read; {free:.0f} GB are free."
    ]


def frozen_of(wildcards):
    """How many parameters beside the encoder the authors of a pool's checkpoints flatten along with it."""
    return settings.pools[wildcards.pool].frozen


def merging_parameters_of(wildcards):
    """The parameters that a merged task vector depends on."""
    parameters = settings.methods[wildcards.method].merging_parameters()
    return parameters | (
        {"frozen": frozen_of(wildcards)} if "keep" in parameters else {}
    )


# Read before any job starts: Snakemake removes a record before it has it made again.
ATTEMPTS = {
    record: next_attempt(record)
    for task in CLIP_TASKS
    for record in (
        f"results/downloads/{task}/{part}.json" for part in ("train", "test")
    )
}


def attempt_of(wildcards):
    """Which attempt at a download a record tells of; one more as long as the files could not be had."""
    return ATTEMPTS[f"results/downloads/{wildcards.task}/{wildcards.part}.json"]


def origin_of_pool(wildcards):
    """Where a pool's checkpoints come from."""
    return settings.pools[wildcards.pool].origin


def zero_shot_scores_of(wildcards):
    """The scores of the pre-trained encoder."""
    method, *_ = methods_where(lambda method: method.algorithm == "pretrained")
    return f"results/{wildcards.pool}/scores/{wildcards.suite}/{method}.csv"


def gate_of(wildcards):
    """The verdict on a pool's zero-shot accuracy, for pools whose pre-trained encoder others have scored."""
    if not settings.pools[wildcards.pool].is_published:
        return []
    return f"results/{wildcards.pool}/tables/{wildcards.suite}/zero_shot_gate.csv"


def gate_of_statistics(wildcards):
    """The verdicts on a pool's zero-shot accuracy: one will do."""
    if not settings.pools[wildcards.pool].is_published:
        return []
    suite = next(
        name for name, tasks in settings.suites.items() if wildcards.task in tasks
    )
    return f"results/{wildcards.pool}/tables/{suite}/zero_shot_gate.csv"


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


def origin_of(task):
    """Whether a task's images are rendered or real."""
    return MINI_TASKS[task].origin if task in MINI_TASKS else "real"


def uses_of(method):
    """The data a method looks at beyond the checkpoints."""
    chosen = settings.methods[method]
    return [
        *ALGORITHMS[chosen.algorithm].needs,
        *(["validation labels"] if chosen.is_tuned else []),
    ]


def grid_of(wildcards):
    """The scalings of a sweep: on validation images those to choose from, on test images those of the figure."""
    if wildcards.split == "validation":
        return settings.methods[wildcards.method].scaling.grid
    return settings.figures.scalings


def described_methods_of(wildcards):
    """Every method's algorithm, label and parameters, as plain values, in the table's order."""
    return {name: method.model_dump() for name, method in methods_of(wildcards).items()}


def labels_of(wildcards):
    """The methods' names for people, by id."""
    return {name: method.label for name, method in methods_of(wildcards).items()}


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
        lambda method: method.learns and granularity in (None, method.granularity)
    )
