"""Downloads that failed for good are tried again in the next run, and those that succeeded are not."""

import json
from pathlib import Path


def next_attempt(record: str | Path) -> int:
    """Return the number of the attempt that a run makes, or has no need to make.

    As a parameter of the download it changes, and so has the download made again, only while the record says
    that the files are missing.
    """
    try:
        told = json.loads(Path(record).read_text(encoding="utf-8"))
        return int(told["attempt"]) + bool(told["missing"])
    # There is no record, or what lies there is none: a run sets it aside as damaged.
    except (OSError, ValueError, KeyError, TypeError):
        return 1
