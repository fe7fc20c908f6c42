"""numpy's .npz: a zip of arrays, each a short header and then the numbers."""

from __future__ import annotations

import math
import re

import numpy as np
import numpy.typing as npt

from rnndiag.containers.candidate import Candidate, Container, Contents
from rnndiag.containers.checkpoint import Skipped, StoredTensor
from rnndiag.containers.failures import damaged
from rnndiag.containers.numpy_records import TORCH_NAMES
from rnndiag.containers.text import printable
from rnndiag.containers.torch_zip import only_archive
from rnndiag.containers.views import (
    MAX_DIMENSIONS,
    View,
    contiguous_strides,
    item_size,
    stored_tensor,
)
from rnndiag.containers.zip_archive import Archive

_SUFFIX = ".npy"
_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
"""Version of the format → bytes of the header's length."""

_MAX_HEADER_BYTES = 10_000
"""numpy's own limit."""

_HEADER = re.compile(
    r"\{'descr': (?P<kind>'[^']*'|\[.*\]), 'fortran_order': (?P<fortran>True|False),"
    r" 'shape': \((?P<shape>[\d, L]*)\),? ?\} *\n?",
    re.DOTALL,
)
"""What numpy writes. It is matched, never evaluated."""


def _recognises(candidate: Candidate) -> bool:
    archive = candidate.archive
    names = archive.members if archive is not None else {}
    return bool(names) and all(name.endswith(_SUFFIX) for name in names)


def _read(candidate: Candidate) -> Contents:
    archive = only_archive(candidate)
    names = {member: printable(member.removesuffix(_SUFFIX)) for member in archive.members}
    found = {name: _array(archive, member, name) for member, name in names.items()}
    return Contents.of(found, {})


def _array(archive: Archive, member: str, name: str) -> StoredTensor | Skipped:
    header, data_start = _header(archive, member, name)
    fields = _HEADER.fullmatch(header)
    if fields is None:
        raise damaged(f"corrupt array {name}: its header is none that numpy writes")
    order, code = _code(fields["kind"])
    if code not in TORCH_NAMES:
        return Skipped(name, f"an array of {_described(fields['kind'])}, not of numbers")
    dtype, shape = TORCH_NAMES[code], _shape(name, fields["shape"])
    count = math.prod(shape)
    if data_start + count * item_size(dtype) > archive.size(member):
        raise damaged(f"corrupt array {name}: its shape claims more than its record holds")
    strides = contiguous_strides(shape, fields["fortran"] == "True")

    def read(start: int, length: int) -> npt.NDArray[np.uint8]:
        return archive.read(member, data_start + start, length)

    view = View(dtype, shape, strides, 0, count, order == ">")
    return stored_tensor(name, view, ("member", member), read, archive.is_stored(member))


def _header(archive: Archive, member: str, name: str) -> tuple[str, int]:
    """The header's text, and where the numbers start."""
    size = archive.size(member)
    start = archive.read(member, 0, min(12, size)).tobytes()
    width = _LENGTH_BYTES.get(start[6], 0) if len(start) == 12 else 0
    if not start.startswith(_MAGIC) or not width:
        raise damaged(f"corrupt array {name}: it does not start as numpy's arrays do")
    length = int.from_bytes(start[8 : 8 + width], "little")
    if length > _MAX_HEADER_BYTES:
        raise damaged(f"corrupt array {name}: its header claims {length} bytes")
    text = archive.read(member, 8 + width, length).tobytes().decode("latin-1")
    return text, 8 + width + length


def _code(kind: str) -> tuple[str, str]:
    """Byte order and type code; "" for a record of several fields."""
    code = kind.strip("'")
    return (code[:1], code[1:]) if code[:1] in ("<", ">", "|", "=") else ("<", code)


def _described(kind: str) -> str:
    if kind.startswith("["):
        return "records"
    return "pickled objects" if _code(kind)[1] == "O" else "text or dates"


def _shape(name: str, text: str) -> tuple[int, ...]:
    parts = [part.strip().removesuffix("L") for part in text.split(",")]
    numbers = [part for part in parts if part]
    if len(numbers) > MAX_DIMENSIONS or any(len(n) > 19 or not n.isdigit() for n in numbers):
        raise damaged(f"corrupt array {name}: its shape is no list of numbers")
    return tuple(int(number) for number in numbers)


NPZ = Container("npz", _recognises, _read)
