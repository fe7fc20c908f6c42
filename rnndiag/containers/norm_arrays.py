"""Logged norms out of numpy's files; nothing pickled is read, and no size is believed unchecked."""

from __future__ import annotations

import io
import math
import zipfile
import zlib

import numpy as np

from rnndiag.containers.norm_columns import Log
from rnndiag.containers.plain_text import LARGEST

NPY = b"\x93NUMPY"

_DAMAGE = (
    *(ValueError, EOFError, KeyError, RuntimeError, NotImplementedError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, SyntaxError),
)
"""What numpy and zipfile raise for a file that is damaged, cut, encrypted or not theirs."""


def read_array(raw: bytes, log: Log) -> str | None:
    """Fill a log from an .npy's one array, or from those of an .npz by name; why not, if not."""
    try:
        if raw.startswith(NPY):
            return _add("", raw, log)
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return _of_archive(archive, log)
    except _DAMAGE:
        return "is damaged"


def _of_archive(archive: zipfile.ZipFile, log: Log) -> str | None:
    members = archive.infolist()
    if any(one.filename.startswith("xl/") for one in members):
        return "is a spreadsheet, which is not read: save it as csv"
    if not members or not all(one.filename.endswith(".npy") for one in members):
        return "is a zip archive, not numpy's"
    reasons = []
    for member in members:
        with archive.open(member) as file:
            # The size that the directory gives may be a lie.
            raw = file.read(LARGEST + 1)
        name = member.filename.removesuffix(".npy")
        reasons.append(_add("" if len(members) == 1 else name, raw, log))
    return None if log.all_series else next((why for why in reasons if why), None)


def _add(name: str, raw: bytes, log: Log) -> str | None:
    """Add one array as a series; returns why it cannot be one, or None."""
    one = log.series(name)
    if one is None:
        return None
    array = _array(raw)
    if isinstance(array, str):
        log.drop(one)
        return array
    for number, value in enumerate(array.ravel().tolist(), 1):
        one.add(f"entry {number}", value)
    return None


def _array(raw: bytes) -> np.ndarray | str:
    file = io.BytesIO(raw)
    version = np.lib.format.read_magic(file)
    header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = header(file)
    if dtype.kind not in "fiu":
        return f"holds an array of {dtype}: numbers are needed"[:200]
    if sum(size != 1 for size in shape) > 1:
        return f"holds an array of shape {shape}: one number a step is needed"
    count = math.prod(shape)
    if len(raw) > LARGEST or count * dtype.itemsize > len(raw) - file.tell():
        return "is damaged: its array claims more than it holds"
    return np.frombuffer(raw, dtype, count, file.tell()).astype(np.float64)
