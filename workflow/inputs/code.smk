"""The code behind a stage; each function is named after what it returns."""

from functools import cache

from remerge.run.code import code_digest


@cache
def code(script, *modules):
    """A stage's script, and a digest of it, the modules it applies and all they import."""
    return {"script": script, "sha256": code_digest([script, *modules], ROOT)}


def file_of_module(module):
    """The library file of a module that a script loads by its name."""
    return Path(*module.split(".")).with_suffix(".py").as_posix()


def algorithm_of(wildcards):
    """The library file of the algorithm behind a method."""
    return f"remerge/methods/{settings.methods[wildcards.method].algorithm}.py"
