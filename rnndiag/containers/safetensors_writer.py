"""Write a safetensors file: the one format that this package writes numbers in."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from rnndiag.containers.safetensors import DTYPE_NAMES, METADATA
from rnndiag.errors import cannot_write

_ALIGNMENT = 8
"""The data start at a multiple of this, so that they can be mapped as numbers."""


class Array(NamedTuple):
    """Numbers and torch's name of their dtype, which numpy may lack: bfloat16 as its bits."""

    dtype: str
    values: npt.NDArray[Any]


def write_safetensors(path: str, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """All of the file or nothing: written beside the target, then renamed.

    Raises RnndiagError (RD008) where it cannot be written.
    """
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
    temporary = None
    try:
        target = Path(path).resolve()
        # Not a private temporary file: a probe has the permissions that any new file gets.
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        with beside.open("xb") as file:
            temporary = beside
            file.write(len(text).to_bytes(8, "little") + text)
            for _, values in arrays.values():
                file.write(values.astype(values.dtype.newbyteorder("<"), order="C").tobytes())
        temporary.replace(target)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        raise cannot_write(path, error, "choose another path") from error
