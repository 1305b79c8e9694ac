"""Where the images of tasks come from and lie; each function is named after what it returns."""

from remerge.downloads.attempts import next_attempt

# Read before any job starts: Snakemake removes a record before it has it made again.
ATTEMPTS = {
    record: next_attempt(record)
    for task in CLIP_TASKS
    for record in (f"results/downloads/{task}/{part}.json" for part in wanted.PARTS)
}


def clip_tasks_from(source):
    """The papers' tasks whose images come from a source: hub, torchvision, none, or a folder."""
    return [task for task in CLIP_TASKS if settings.source_of(task) == source]


def record_of(wildcards):
    """The record of the download that a split of a task is read from, if it is downloaded."""
    source = source_of(wildcards)
    if source == "torchvision":
        return f"results/downloads/{wildcards.task}/torchvision.json"
    if source != "hub":
        return []
    # Images are corrupted for tests alone: then the split is no wildcard.
    part = "test" if wildcards.get("split", "test") == "test" else "train"
    return f"results/downloads/{wildcards.task}/{part}.json"


def source_of(wildcards):
    """Where a task's original images come from; `own` for a folder that the user made a task of."""
    task = wildcards.task
    return "own" if task in settings.tasks else settings.source_of(task)


def folder_of(wildcards):
    """The folder that a task's original images are read from, if they are."""
    own = settings.tasks.get(wildcards.task)
    return (own or settings.images_of(wildcards.task)).folder


def image_files_of(wildcards):
    """What is downloaded of one part of a task's data set."""
    return wanted.images(settings, wildcards.task, wildcards.part)


def attempt_of(wildcards):
    """Which attempt at a download a record tells of; one more as long as the files could not be had.

    What a given lock file says to be missing is not tried.
    """
    if lock and "missing" in pin_of(lock, image_files_of(wildcards)):
        return 1
    return ATTEMPTS[f"results/downloads/{wildcards.task}/{wildcards.part}.json"]


def sizes_trained_on():
    """The sides of the images that some pool's experts are fine-tuned on."""
    return sorted(
        {str(pool.image_size) for pool in settings.pools.values() if pool.is_trained}
    )


def sizes_not_trained_on():
    """The sides of images that no expert is fine-tuned on."""
    sizes = {str(pool.image_size) for pool in settings.pools.values()}
    return sorted(sizes.difference(sizes_trained_on()))


def folder_content_of(wildcards):
    """A fingerprint of the folder that a task is read from, if it is."""
    found = folders.get(wildcards.task)
    return found.fingerprint if found else None


def classes_read_by(wildcards):
    """What tells images' labels: class names where folders are named after them, else the labels themselves."""
    if wildcards.task in settings.tasks:
        return []
    names = clip_task(wildcards.task).classes
    in_folders = settings.source_of(wildcards.task) == "folder"
    return list(names) if in_folders else list(range(len(names)))


def test_images_of(wildcards):
    """How many images are drawn from a test split, if not all; of other splits, always all."""
    if wildcards.get("split", "test") != "test":
        return None
    return settings.images_of(wildcards.task).test_images


def images_of(split, tasks=tasks_of):
    """A function that returns the images of one split of every task, in the size a pool's encoders take."""
    return lambda wildcards: [
        f"results/images/{size_of(wildcards)}/{task}/{split}.safetensors"
        for task in tasks(wildcards)
    ]


def split_images_of(wildcards):
    """The images of a suite's tasks, of the split that a sweep is scored on."""
    return images_of(wildcards.split)(wildcards)


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
