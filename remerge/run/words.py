"""Lists and leaders, as sentences about results name them."""

from collections.abc import Iterable, Mapping


def listed(names: Iterable[str]) -> str:
    """Return names as a list in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def leaders(values: Mapping[str, float]) -> list[str]:
    """Return the names that share the highest value when printed with one decimal, in order."""
    printed = {name: round(value, 1) for name, value in values.items()}
    return [name for name, value in printed.items() if value == max(printed.values())]


def are(names: Iterable[str]) -> str:
    """Return names as the subject of a sentence, with the verb: ``a is``, ``a and b are``."""
    names = list(names)
    return f"{listed(names)} {'is' if len(names) == 1 else 'are'}"
