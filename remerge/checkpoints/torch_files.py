"""Reading the three container formats of torch checkpoints, and plain pickles, without executing anything."""

import io
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import torch

from remerge.checkpoints.pickles import PickleRefusedError, Storage, read_pickle, tensor_record
from remerge.errors import RemergeError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


def read_torch_file(path: str | Path) -> Any:
    """Return the content of a file that ``torch.save`` or ``pickle.dump`` wrote.

    Reads zip archives (torch 1.6 and later), streams (before 1.6), tar archives (0.1) and plain pickles.

    Returns:
        The same as :func:`remerge.checkpoints.pickles.read_pickle`.

    Raises:
        PickleRefusedError: It tries to execute something, declares wrong sizes, or is truncated.
    """
    path = Path(path)
    try:
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        if tarfile.is_tarfile(path):
            return _read_tar(path)
        return _read_stream_or_pickle(path.read_bytes())
    except FileNotFoundError as error:
        raise RemergeError(f"{path}: no such file") from error
    except PickleRefusedError as error:
        raise PickleRefusedError(f"{path}: {error}") from error
    # Truncated or manipulated archives make the standard library raise almost anything.
    except (
        *(zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, struct.error, NotImplementedError),
        *(ValueError, KeyError, TypeError, AttributeError, OverflowError, RuntimeError),
    ) as error:
        raise PickleRefusedError(f"{path}: is cut short or broken ({type(error).__name__}: {error})") from error


def _read_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        claimed = sum(info.file_size for info in members.values())
        if claimed > path.stat().st_size or any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
            raise PickleRefusedError(
                f"claims {claimed:,} bytes of content in a file of {path.stat().st_size:,}, or is compressed; "
                "torch stores tensors as they are"
            )
        if "data.pkl" not in members:
            raise PickleRefusedError("is a zip archive without data.pkl: not a checkpoint of torch")
        if "byteorder" in members and archive.read(members["byteorder"]) != b"little":
            raise PickleRefusedError("was written on a big-endian machine")
        storages: dict[str, Storage] = {}

        def persistent(identifier: Any) -> Any:
            kind, dtype, key, *_ = identifier
            if kind != "storage" or not isinstance(dtype, torch.dtype):
                raise PickleRefusedError(f"refers to a {kind!r}")
            if key not in storages:
                storages[key] = Storage(dtype, archive.read(members[f"data/{key}"]))
            return storages[key]

        return read_pickle(io.BytesIO(archive.read(members["data.pkl"])), persistent=persistent)


def _read_stream_or_pickle(content: bytes) -> Any:
    file = io.BytesIO(content)
    try:
        is_stream = read_pickle(file) == MAGIC
    except PickleRefusedError:
        is_stream = False
    file.seek(0)
    return _read_stream(file) if is_stream else read_pickle(file, load_storage=_storage_in_bytes)


def _storage_in_bytes(content: bytes) -> Storage:
    """A single storage, in a stream within the pickle: tensors are saved this way by plain ``pickle``."""
    found = _read_stream(io.BytesIO(content))
    if not isinstance(found, Storage):
        raise PickleRefusedError("holds bytes that are no storage")
    return found


class _Pending(Storage):
    """A storage that the pickle refers to before its content has been read."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__(dtype, b"")

    def fill(self, content: bytes) -> None:
        object.__setattr__(self, "content", content)


def _read_stream(file: io.BytesIO) -> Any:
    if read_pickle(file) != MAGIC or read_pickle(file) != PROTOCOL:
        raise PickleRefusedError("is no stream of torch's")
    if not read_pickle(file).get("little_endian", True):
        raise PickleRefusedError("was written on a big-endian machine")
    storages: dict[Any, _Pending] = {}

    def persistent(identifier: Any) -> Any:
        if identifier[0] == "module":
            # The class, its file and its source, which old versions of torch saved for comparison.
            return identifier[1]
        kind, dtype, key, _, _, *view = identifier
        if kind != "storage" or not isinstance(dtype, torch.dtype) or (view and view[0] is not None):
            raise PickleRefusedError(f"refers to a {kind!r}")
        return storages.setdefault(key, _Pending(dtype))

    found = read_pickle(file, persistent=persistent)
    for key in read_pickle(file):
        if key not in storages:
            raise PickleRefusedError(f"holds a storage {key!r} that nothing refers to")
        storages[key].fill(_sized(file, storages[key].dtype))
    return found


def _sized(file: io.BytesIO, dtype: torch.dtype) -> bytes:
    """Entries, preceded by their number."""
    (numel,) = struct.unpack("<q", file.read(8))
    length = numel * dtype.itemsize
    content = file.read(length) if numel >= 0 else b""
    if len(content) != length:
        raise PickleRefusedError(f"claims a storage of {length:,} bytes and holds {len(content):,}")
    return content


def _read_tar(path: Path) -> Any:
    with tarfile.open(path) as archive:

        def opened(name: str) -> io.BytesIO:
            member = archive.extractfile(name)
            if member is None:
                raise PickleRefusedError(f"has no file {name!r}")
            return io.BytesIO(member.read())

        objects: dict[int, Any] = {}
        _read_tar_storages(opened("storages"), objects)
        _read_tar_tensors(opened("tensors"), objects)

        def persistent(identifier: Any) -> Any:
            return identifier[0] if isinstance(identifier, tuple) else objects[int(identifier)]

        return read_pickle(opened("pickle"), persistent=persistent)


def _read_tar_storages(file: io.BytesIO, objects: dict[int, Any]) -> None:
    for _ in range(_count(file)):
        key, _, dtype = read_pickle(file)
        objects[key] = Storage(dtype, _sized(file, dtype))
    if read_pickle(file):
        raise PickleRefusedError("holds views of storages, which no checkpoint needs")


def _read_tar_tensors(file: io.BytesIO, objects: dict[int, Any]) -> None:
    for _ in range(_count(file)):
        key, storage, _ = read_pickle(file)
        (dimensions,) = struct.unpack("<i4x", file.read(8))
        numbers = struct.unpack(f"<{2 * dimensions + 1}q", file.read(8 * (2 * dimensions + 1)))
        objects[key] = tensor_record(objects[storage], numbers[-1], numbers[:dimensions], numbers[dimensions:-1])


def _count(file: io.BytesIO) -> int:
    count = read_pickle(file)
    if not isinstance(count, int):
        raise PickleRefusedError("does not tell how many tensors it holds")
    return count
