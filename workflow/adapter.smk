"""How rules ask the plan."""

import re
from functools import cache
from inspect import signature

from remerge.run.code import code_digest


def of(question, **given):
    """A function of a job's wildcards and attempt that calls a question with those it has parameters for."""
    parameters = signature(question).parameters.keys() - given.keys()

    def answer(wildcards, **more):
        known = dict(wildcards.items()) | more
        return question(
            **given, **{key: known[key] for key in parameters & known.keys()}
        )

    if "attempt" in parameters:
        return lambda wildcards, attempt: answer(wildcards, attempt=attempt)
    return lambda wildcards: answer(wildcards)


@cache
def digest(script, *modules):
    """A script, and a digest of it, of the modules that it loads by name and of all they import."""
    return {
        "script": script,
        "sha256": code_digest([script, *modules], workflow.basedir),
    }


def code(script, modules=None):
    """The code behind a rule: its script and, if any are loaded by name, the modules that a question returns."""
    if modules is None:
        return digest(script)
    return lambda wildcards: digest(script, *modules(wildcards))


def any_of(names):
    """A wildcard constraint that matches these names and nothing else."""
    return "|".join(re.escape(name) for name in names) or "(?!)"
