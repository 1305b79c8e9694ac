"""The answer to every image, packed into the cells of a score file, so that statistics need no model."""

import base64
import binascii
import zlib

import numpy as np
import numpy.typing as npt

from remerge.errors import RemergeError


def pack_right(right: npt.NDArray[np.bool_]) -> str:
    """Pack whether each image was classified correctly, ``[n]`` in the order of the image file: a bit each, base64."""
    return base64.b64encode(np.packbits(right).tobytes()).decode("ascii")


def unpack_right(text: str, n: int) -> npt.NDArray[np.bool_]:
    """Unpack the result of :func:`pack_right`.

    Raises:
        RemergeError: The text has the wrong number of answers.
    """
    bits = np.frombuffer(_decoded(text), np.uint8)
    if len(bits) != -(-n // 8):
        raise RemergeError(f"answers to about {8 * len(bits)} images where there are {n}")
    return np.unpackbits(bits, count=n).astype(np.bool_)


def pack_classes(classes: npt.NDArray[np.integer]) -> str:
    """Pack the class predicted for each image, ``[n]``: 16 bits each, deflated, base64."""
    return base64.b64encode(zlib.compress(classes.astype("<u2").tobytes(), 9)).decode("ascii")


def unpack_classes(text: str, n: int) -> npt.NDArray[np.uint16]:
    """Unpack the result of :func:`pack_classes`.

    Raises:
        RemergeError: The text has the wrong number of answers.
    """
    unpacker = zlib.decompressobj()
    try:
        # Unpack at most one byte too many: enough to notice, however large the content is.
        raw = unpacker.decompress(_decoded(text), 2 * n + 1)
    except zlib.error as error:
        raise RemergeError(f"predicted classes cannot be unpacked: {error}") from error
    if len(raw) != 2 * n:
        raise RemergeError(f"predicted classes of another number of images than {n}")
    return np.frombuffer(raw, "<u2").astype(np.uint16)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RemergeError(f"answers that are no base64: {error}") from error
