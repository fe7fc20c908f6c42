"""Tensors in torch's pickles: the calls torch would have made to rebuild them, read as data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rnndiag.containers.checkpoint import Skipped, StoredTensor
from rnndiag.containers.failures import damaged, refused
from rnndiag.containers.numpy_records import array
from rnndiag.containers.quantised import STORED_AS, dequantised
from rnndiag.containers.records import CallRecord, GlobalRecord, StorageRecord, called
from rnndiag.containers.torch_storages import NestedRecord, Storages, storage_bytes
from rnndiag.containers.views import DTYPES, MAX_DIMENSIONS, View, item_size, stored_tensor

Tensor = StoredTensor | Skipped
Reader = Callable[[Storages, str, CallRecord], Tensor]

_WRAPPERS = frozenset(
    (
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
        "torch._utils._rebuild_device_tensor_from_cpu_tensor",
        "torch.nn.parameter.Parameter",
        "torch.nn.parameter.Buffer",
        "torch.autograd.variable.Variable",
    )
)
"""Calls whose first argument is the tensor itself."""

_MAX_WRAPPERS = 16

_TYPED = "torch._tensor._rebuild_from_type_v2"

APART = "joblib.numpy_pickle.NDArrayWrapper"
"""What joblib wrote in place of an array before 0.10."""

_SKIPPED = {
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "a meta tensor: no values are stored",
    "torch._utils._rebuild_wrapper_subclass": "a shard, or another tensor that wraps others",
    "torch.nn.parameter.UninitializedParameter": "a parameter that was never initialised",
    "torch.nn.parameter.UninitializedBuffer": "a buffer that was never initialised",
    APART: "an array in a file of its own beside this one",
}

_SHARDS = frozenset(("DTensor", "ShardedTensor", "FlatParameter"))


def tensor(storages: Storages, name: str, record: CallRecord) -> Tensor | None:
    """The tensor that a call would have rebuilt; None where it would have made something else.

    Raises RD003 for a view that leaves its storage and RD004 for one that repeats it hugely.
    """
    inner = _unwrapped(record)
    if inner is None:
        return None
    function = called(inner)
    if function in _SKIPPED:
        return Skipped(name, _SKIPPED[function])
    if function in _READERS:
        return _READERS[function](storages, name, inner)
    if function.startswith("torch.distributed.") and function.rpartition(".")[2] in _SHARDS:
        return Skipped(name, "one shard of a tensor that is spread over processes")
    return _old_tensor(storages, name, inner)


def _unwrapped(record: CallRecord) -> CallRecord | None:
    """Down through Parameter, Variable and subclass calls; None when no call is inside."""
    inner: object = record
    for _ in range(_MAX_WRAPPERS):
        if not isinstance(inner, CallRecord):
            return None
        function = called(inner)
        if function in _WRAPPERS:
            inner = _wrapped(inner)
        elif function == _TYPED and len(inner.arguments) == 4:
            arguments = inner.arguments[2]
            inner = CallRecord(
                inner.arguments[0], arguments if isinstance(arguments, tuple) else ()
            )
        else:
            return inner
    raise refused("a tensor is wrapped in itself over and over")


def _wrapped(record: CallRecord) -> object:
    """The first argument; torch 0.1 made an empty Parameter with the state (data, gradient, …)."""
    if record.arguments:
        return record.arguments[0]
    state = record.states[-1] if record.states else None
    return state[0] if isinstance(state, tuple) and state else None


def _rebuilt(storages: Storages, name: str, record: CallRecord) -> Tensor:
    """_rebuild_tensor and _v2: (storage, offset, shape, strides, …)."""
    if len(record.arguments) < 4:
        raise damaged(f"corrupt tensor {name}: it lacks a size or a stride")
    storage, offset, shape, strides = record.arguments[:4]
    return _view(storages, name, storage, (offset, shape, strides), None)


def _rebuilt_v3(storages: Storages, name: str, record: CallRecord) -> Tensor:
    """_rebuild_tensor_v3: the storage is untyped and the dtype is the seventh argument."""
    if len(record.arguments) < 7:
        raise damaged(f"corrupt tensor {name}: it lacks a size or a dtype")
    storage, offset, shape, strides = record.arguments[:4]
    kind = record.arguments[6]
    dtype = kind.name if isinstance(kind, GlobalRecord) else "unknown"
    return _view(storages, name, storage, (offset, shape, strides), dtype)


def _quantised(storages: Storages, name: str, record: CallRecord) -> Tensor:
    """_rebuild_qtensor: (storage, offset, shape, strides, quantiser parameters, …)."""
    if len(record.arguments) < 5:
        raise damaged(f"corrupt tensor {name}: it lacks a size or a scale")
    storage, offset, shape, strides, parameters = record.arguments[:5]
    kind = _home(storages, storage)[1]
    whole = STORED_AS.get(kind.kind) if isinstance(kind, StorageRecord) else None
    stored = _view(storages, name, storage, (offset, shape, strides), whole)

    def leaf(label: str, inner: object) -> Tensor | None:
        return tensor(storages, label, inner) if isinstance(inner, CallRecord) else None

    if isinstance(stored, Skipped):
        return stored
    return dequantised(name, stored, parameters, leaf)


def _from_numpy(storages: Storages, name: str, record: CallRecord) -> Tensor:
    """A tensor of another device, kept as a numpy array."""
    inner = record.arguments[0] if record.arguments else None
    if not isinstance(inner, CallRecord):
        raise damaged(f"corrupt tensor {name}: its array is missing")
    return array(name, inner)


def _old_tensor(storages: Storages, name: str, record: CallRecord) -> Tensor | None:
    """torch.FloatTensor() with the state (storage, offset, shape, strides), from torch 0.1."""
    function = called(record)
    if not function.startswith("torch.") or not function.endswith("Tensor") or not record.states:
        return None
    state = record.states[-1]
    if not isinstance(state, tuple) or len(state) != 4:
        return None
    return _view(storages, name, state[0], state[1:], None)


def _view(
    storages: Storages,
    name: str,
    storage: object,
    place: tuple[object, ...],
    dtype: str | None,
) -> Tensor:
    """The tensor at `place` (offset, shape, strides) of a storage; dtype None is the storage's."""
    storages, storage = _home(storages, storage)
    if not isinstance(storage, StorageRecord):
        raise damaged(f"corrupt tensor {name}: it has no storage")
    if storage.device == "meta":
        return Skipped(name, "a meta tensor: no values are stored")
    kind = storage.kind if dtype is None else dtype
    if kind not in DTYPES or storage_bytes(storage) is None:
        return Skipped(name, f"its dtype {kind} is not read")
    offset, shape, strides = place
    view = View(
        kind,
        _numbers(name, shape),
        _numbers(name, strides),
        _offset(name, offset) + storage.view_offset,
        _reach(storage, kind),
        storages.big_endian,
    )

    def read(start: int, count: int) -> npt.NDArray[np.uint8]:
        return storages.read(storage.key, start, count)

    in_place = storages.in_place(storage.key)
    # Files within files have storages of the same key.
    identity = ("storage", id(storages), storage.key)
    return stored_tensor(name, view, identity, read, in_place)


def _home(storages: Storages, storage: object) -> tuple[Storages, object]:
    """Where a storage lies, and the storage: elsewhere if it is a torch file of its own."""
    if isinstance(storage, NestedRecord):
        return storage.storages, storage.root
    return storages, storage


def _reach(storage: StorageRecord, dtype: str) -> int:
    """Elements of `dtype` from the start of the storage to the end of this view of it."""
    whole = (storage_bytes(storage) or 0) // item_size(dtype)
    if storage.view_count is None:
        return whole
    return min(whole, storage.view_offset + storage.view_count)


def _offset(name: str, number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise damaged(f"corrupt tensor {name}: its offset is no position")
    return number


def _numbers(name: str, record: object) -> tuple[int, ...]:
    """A shape or strides: a tuple, a list or a torch.Size of whole numbers."""
    if called(record) == "torch.Size" and isinstance(record, CallRecord) and record.arguments:
        record = record.arguments[0]
    if not isinstance(record, tuple | list) or len(record) > MAX_DIMENSIONS:
        raise damaged(f"corrupt tensor {name}: its shape is no list of numbers")
    numbers = tuple(n for n in record if isinstance(n, int) and not isinstance(n, bool))
    if len(numbers) != len(record):
        raise damaged(f"corrupt tensor {name}: its shape is no list of numbers")
    return numbers


_READERS: dict[str, Reader] = {
    "torch._utils._rebuild_tensor": _rebuilt,
    "torch._utils._rebuild_tensor_v2": _rebuilt,
    "torch._utils._rebuild_tensor_v3": _rebuilt_v3,
    "torch._utils._rebuild_qtensor": _quantised,
    "torch._utils._rebuild_device_tensor_from_numpy": _from_numpy,
    "torch._utils._rebuild_xla_tensor": _from_numpy,
}
