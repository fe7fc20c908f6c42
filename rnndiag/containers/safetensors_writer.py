"""Write a safetensors file: the one format that this package writes numbers in."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy.typing as npt

from rnndiag.containers.safetensors import DTYPE_NAMES, METADATA
from rnndiag.whole_file import write_whole

_ALIGNMENT = 8
"""The data start at a multiple of this, so that they can be mapped as numbers."""


class Array(NamedTuple):
    """Numbers and torch's name of their dtype, which numpy may lack: bfloat16 as its bits."""

    dtype: str
    values: npt.NDArray[Any]


def write_safetensors(path: str, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """All of the file or nothing; raises RnndiagError (RD008) where it cannot be written."""
    header: dict[str, Any] = {METADATA: dict(metadata)}
    end = 0
    for name, (dtype, values) in arrays.items():
        first, end = end, end + values.nbytes
        header[name] = {
            "dtype": DTYPE_NAMES[dtype],
            "shape": list(values.shape),
            "data_offsets": [first, end],
        }
    text = json.dumps(header).encode("ascii")
    text += b" " * (-len(text) % _ALIGNMENT)
    head = len(text).to_bytes(8, "little") + text
    numbers = (
        values.astype(values.dtype.newbyteorder("<"), order="C").tobytes()
        for _, values in arrays.values()
    )
    write_whole(path, itertools.chain((head,), numbers), "choose another path")
