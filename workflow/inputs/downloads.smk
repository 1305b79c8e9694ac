"""What is downloaded, as remerge.downloads.wanted says, and what a given lock file says of it."""

from remerge.downloads import wanted
from remerge.downloads.drive import PICKLES
from remerge.downloads.lock import LOCK, pin_of


def pinned(wanted_of):
    """A function that returns what the given lock file, if there is one, says of a download from the Hub."""
    return lambda wildcards: lock and pin_of(lock, wanted_of(wildcards))


def record_of_pickle(name):
    """The record of one of the Task Arithmetic authors' files, which several pools may want."""
    return str((PICKLES / name).with_suffix(".json"))


def download_records():
    """The records of everything that is downloaded for any table or figure."""
    checkpoints = [
        f"results/{pool}/downloads/{checkpoint}.json"
        for pool in settings.pools
        for checkpoint in wanted.checkpoints_of(settings, pool)
    ]
    pickles = {
        record_of_pickle(name)
        for pool in settings.pools
        for name in wanted.pickles_of(settings, pool).values()
    }
    images = [
        f"results/downloads/{task}/{part}.json"
        for task in wanted.images_from(settings, "hub")
        for part in wanted.PARTS
    ]
    archives = [
        f"results/downloads/{task}/torchvision.json"
        for task in wanted.images_from(settings, "torchvision")
    ]
    return checkpoints + sorted(pickles) + images + archives


def downloads_lock():
    """The lock file of a run that downloads anything."""
    return [str(LOCK)] if download_records() else []
