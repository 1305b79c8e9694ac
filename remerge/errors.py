"""Errors a user can act on: each message names the key or file at fault and the remedy."""


class RemergeError(Exception):
    """Base of every error this library raises on purpose."""


class MismatchError(RemergeError, ValueError):
    """Checkpoints that cannot be merged: their keys, shapes or dtypes differ."""


class ParameterError(RemergeError, ValueError):
    """A method's parameter that is out of range or of the wrong kind."""


class ConfigError(RemergeError, ValueError):
    """A configuration that cannot be run; the message lists every fault found."""
