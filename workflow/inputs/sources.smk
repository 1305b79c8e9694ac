"""The code behind a stage; each function is named after what it returns."""

from remerge.merging.registry import ALGORITHMS
from remerge.sources import source_files


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
