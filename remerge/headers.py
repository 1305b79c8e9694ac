"""Headers of safetensors files, made the same in every run."""

import json
import struct
from pathlib import Path


def sort_metadata(path: Path) -> None:
    """Sort the free text fields of a file's header in place; safetensors shuffles them anew in every process."""
    with path.open("r+b") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        if "__metadata__" in header:
            header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        # As compact as safetensors writes it, so that it fills the same bytes, which end in blanks.
        file.seek(8)
        file.write(json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode().ljust(size))
