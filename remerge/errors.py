"""Errors a user can act on: each message names the key or file at fault and the remedy."""


class RemergeError(Exception):
    """Base of all errors that this library raises deliberately."""


class MismatchError(RemergeError, ValueError):
    """Checkpoints that cannot be merged: their keys, shapes or dtypes differ."""


class ParameterError(RemergeError, ValueError):
    """A method's parameter is out of range or has the wrong type."""


class ConfigError(RemergeError, ValueError):
    """A configuration that cannot be run; the message lists all faults."""
