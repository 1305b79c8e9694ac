"""The methods: a file each, with its parameters and what its kind asks for; :mod:`remerge.methods.registry` lists them.

A method's file imports torch only inside the functions that need it, so that the configuration can read its parameters.
"""

import importlib
from types import ModuleType


def load(algorithm: str) -> ModuleType:
    """Import and return a method's file."""
    return importlib.import_module(f"{__name__}.{algorithm}")
