"""What a check says."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["fine", "will fail", "warning", "cannot tell"]
INSTALL = "make .venv/installed, or pip install -r requirements.lock"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        verdict: Whether the run will get past it; ``warning`` where it will, with less than was asked for.
        told: What was found.
        remedy: What to do, if anything.
    """

    name: str
    verdict: Verdict
    told: str
    remedy: str = ""


def lines(check: Check) -> str:
    """Return a check as it is printed: a line, and one more with the remedy where there is one."""
    text = f"{check.verdict:<12}{check.name}: {check.told}"
    return f"{text}\n{'':12}-> {check.remedy}" if check.remedy else text
