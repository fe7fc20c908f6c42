"""What a file holds once it has been read: named tensors, plain values, and what was left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

_USUAL = frozenset(("torch", "collections"))
"""Packages that checkpoints import from as a matter of course."""

Value = bool | int | float | str | None
"""A plain value from the file: a hyper-parameter, a step count, a module's mode."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in the file: its description at once, its values when asked for."""

    dtype: str
    """torch's name without the prefix: "float32", "bfloat16", "int64"."""

    shape: tuple[int, ...]

    identity: tuple[object, ...]
    """Equal for two tensors exactly when they are the same view of the same storage."""

    load: Callable[[], npt.NDArray[np.generic]] = field(repr=False, compare=False)
    """Reads a contiguous copy from the file; raises RnndiagError where the bytes are not there."""

    stream: Callable[[], Iterator[npt.NDArray[np.generic]]] | None = field(
        default=None, repr=False, compare=False
    )
    """Reads the same numbers piece by piece, where the file allows that."""

    remark: str = ""
    """What was done to the stored numbers beyond copying them."""

    def blocks(self) -> Iterator[npt.NDArray[np.generic]]:
        """The values in order, in contiguous blocks of whole entries of the first dimension.

        Each of about two megabytes where the file allows that, else a single one.
        """
        return iter((self.load(),)) if self.stream is None else self.stream()

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def may_be_weight(self) -> bool:
        """Real or complex numbers, and some: eigenvalues of linear recurrences are complex."""
        return self.size > 0 and (self.is_floating or self.dtype.startswith("complex"))

    @property
    def is_floating(self) -> bool:
        """True for the dtypes that weights are made of."""
        return self.dtype in {"float64", "float32", "float16", "bfloat16"}


@dataclass(frozen=True)
class Skipped:
    """Something in the file that was not read, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Checkpoint:
    """One file, read without running anything in it.

    Names are the dotted paths from the root of the file: dictionary keys, list positions, attribute
    names; a module's `_modules`, `_parameters` and `_buffers` leave no trace in them.
    """

    path: str
    """As the user gave it."""

    container: str
    """The name of the format, such as "torch-zip" or "safetensors"."""

    size_bytes: int
    """With all the shards that an index names."""

    tensors: Mapping[str, StoredTensor]
    """In the order of the file."""

    values: Mapping[str, Value]
    """Plain values by dotted name, in the order of the file."""

    would_import: tuple[str, ...] = ()
    """Sorted "module.name" of everything a trusting load would have imported; nothing was."""

    skipped: tuple[Skipped, ...] = ()

    notes: tuple[str, ...] = ()
    """What was done to the stored numbers beyond copying them, tensor by tensor."""

    sha256: str | None = None
    """Of the file, in hexadecimal; None unless it was asked for."""

    made_of: str = ""
    """The class whose object the file is, as "sklearn.preprocessing.MinMaxScaler", where it is none
    of torch, numpy and the standard containers; else empty."""

    @property
    def foreign_imports(self) -> tuple[str, ...]:
        """Of what would have been imported, all but torch's own and the standard containers."""
        return tuple(name for name in self.would_import if name.split(".")[0] not in _USUAL)
