"""The result of a check."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["fine", "will fail", "warning", "cannot tell"]
INSTALL = "make .venv/installed, or pip install -r requirements.lock"


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was checked.
        verdict: ``will fail`` if the run cannot succeed; ``warning`` if it can, but without some images.
        message: A description of the result.
        remedy: What to do, if anything.
    """

    name: str
    verdict: Verdict
    message: str
    remedy: str = ""


def lines(check: Check) -> str:
    """Return a check as printed: one line, and another with the remedy if there is one."""
    text = f"{check.verdict:<12}{check.name}: {check.message}"
    return f"{text}\n{'':12}-> {check.remedy}" if check.remedy else text
