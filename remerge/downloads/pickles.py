"""Downloaded pickles, from Google Drive or from the Hub."""

import json
from pathlib import Path

from remerge.downloads import drive, records


def recorded_pickle(record: str | Path) -> Path:
    """Return the one file of a record, downloading it again if it no longer exists.

    Raises:
        DownloadError: It cannot be downloaded.
        WrongContentError: It has changed.
    """
    if json.loads(Path(record).read_text(encoding="utf-8"))["kind"] == "drive":
        return drive.recorded(record)
    (path,) = records.recorded(record).paths.values()
    return path
