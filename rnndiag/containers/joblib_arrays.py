"""Arrays in the pickles of joblib.dump, whose bytes lie in the stream behind their description.

joblib (0.10 and later) pickles a NumpyArrayWrapper in place of an array; right behind the opcode
that sets its state follow a byte that says how many more are padding (since joblib 1.2), and the
numbers. An array of objects follows as a pickle of its own. joblib before 0.10 kept the numbers in
files beside the pickle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rnndiag.containers.failures import damaged, refused
from rnndiag.containers.numpy_records import TORCH_NAMES, dtype_code
from rnndiag.containers.pickle_machine import no_persistent_ids
from rnndiag.containers.pickle_stream import PickleStream
from rnndiag.containers.readable import Readable
from rnndiag.containers.records import CallRecord, DictRecord, GlobalRecord, StorageRecord, called
from rnndiag.containers.torch_pickles import TorchPickle
from rnndiag.containers.torch_storages import NestedRecord
from rnndiag.containers.torch_tensors import APART
from rnndiag.containers.views import MAX_DIMENSIONS, contiguous_strides

_MODULE = "joblib.numpy_pickle"
"""scikit-learn before 0.23 brought it along as sklearn.externals.joblib."""

_IN_STREAM = "NumpyArrayWrapper"
_IN_FILES = ("NDArrayWrapper", "ZNDArrayWrapper")

_RECONSTRUCTORS = ("copyreg._reconstructor", "copy_reg._reconstructor")
_REBUILD = GlobalRecord("torch._utils", "_rebuild_tensor")
_APART = GlobalRecord(*APART.rsplit(".", 1))

_ARRAY_WORK = 40
"""Of an array, beside its description, as a pickle's work is counted."""

_MAX_ARRAY_BYTES = 1 << 48
_HAS_OBJECTS = 0x01
"""numpy's flag NPY_ITEM_REFCOUNT, the eighth part of a dtype's state."""


@dataclass
class _Sections:
    """Where the numbers of each array start."""

    source: Readable
    big_endian: bool
    starts: dict[str, int] = field(default_factory=dict)

    def read(self, key: str, start: int, count: int) -> npt.NDArray[np.uint8]:
        """Bytes of an array."""
        return self.source.array_at(self.starts[key] + start, count)

    def in_place(self, key: str) -> bool:
        """Always: nothing is packed."""
        return key in self.starts


class JoblibArrays:
    """The arrays met so far in one stream."""

    def __init__(self, source: Readable, pickle: TorchPickle) -> None:
        self._pickle = pickle
        self._little = _Sections(source, big_endian=False)
        self._big = _Sections(source, big_endian=True)

    def built(self, call: CallRecord, stream: PickleStream) -> object:
        """The record of an array in place of its description; any other object as it is.

        The stream is left behind the array's bytes. Raises RD003 where these are not there.
        """
        name = _wrapper(call)
        if name == _IN_STREAM:
            return self._array(_attributes(call), stream)
        return CallRecord(_APART, ()) if name in _IN_FILES else call

    def _array(self, found: dict[str, object], stream: PickleStream) -> object:
        self._pickle.budget.spend(_ARRAY_WORK)
        shape, dtype = _shape(found.get("shape")), found.get("dtype")
        code = dtype_code(dtype)
        if _holds_objects(dtype, code):
            return self._pickle.run_with(stream, no_persistent_ids)
        size_bytes = math.prod(shape) * _item_bytes(dtype, code)
        if size_bytes > _MAX_ARRAY_BYTES:
            raise refused(f"an array in it claims {size_bytes} bytes")
        _skip_padding(found.get("numpy_array_alignment_bytes"), stream)
        sections = self._big if code[0] == ">" else self._little
        start = stream.position
        stream.skip(size_bytes)
        key = str(len(sections.starts))
        sections.starts[key] = start
        kind = TORCH_NAMES.get(code[1:], f"numpy {code[1:]}")
        storage = StorageRecord(kind, key, "cpu", math.prod(shape))
        strides = contiguous_strides(shape, found.get("order") == "F")
        return CallRecord(_REBUILD, (NestedRecord(storage, sections), 0, shape, strides))


def _wrapper(call: CallRecord) -> str:
    """The name of joblib's class that a call makes; empty for any other call."""
    made = call.function
    if called(call) in _RECONSTRUCTORS and call.arguments:  # as protocols 0 and 1 have it
        made = call.arguments[0]
    if not isinstance(made, GlobalRecord) or made.name not in (_IN_STREAM, *_IN_FILES):
        return ""
    return made.name if f".{made.module}".endswith(f".{_MODULE}") else ""


def _attributes(call: CallRecord) -> dict[str, object]:
    state = call.states[-1]
    if not isinstance(state, DictRecord):
        raise damaged("an array in its pickle has no description")
    return {key: value for key, value in state.pairs if isinstance(key, str)}


def _shape(found: object) -> tuple[int, ...]:
    if not isinstance(found, tuple) or len(found) > MAX_DIMENSIONS:
        raise damaged("an array in its pickle has no shape")
    shape = tuple(n for n in found if isinstance(n, int) and 0 <= n <= _MAX_ARRAY_BYTES)
    if len(shape) != len(found):
        raise damaged("an array in its pickle has a shape that is not a list of numbers")
    return shape


def _holds_objects(dtype: object, code: str) -> bool:
    state = dtype.states[-1] if isinstance(dtype, CallRecord) and dtype.states else None
    flags = state[7] if isinstance(state, tuple) and len(state) > 7 else 0
    return code[1:2] == "O" or (isinstance(flags, int) and bool(flags & _HAS_OBJECTS))


def _item_bytes(dtype: object, code: str) -> int:
    """Of one element: "f4" has 4, "S7" and "V7" have 7, "U7" has 28."""
    digits = code[2:]
    if not digits.isdigit() or not digits.isascii() or len(digits) > 10:
        raise damaged("an array in its pickle has a dtype of unknown size")
    return int(digits) * (4 if code[1] == "U" else 1)


def _skip_padding(alignment: object, stream: PickleStream) -> None:
    """joblib before 1.2 did not align, and has no such attribute."""
    if alignment is not None:
        stream.skip(stream.unsigned(1))
