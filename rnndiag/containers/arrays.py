"""The user's own arrays from .npy, .npz or safetensors; nothing pickled is ever read."""

from __future__ import annotations

import tokenize
import zipfile
import zlib

import numpy as np
import numpy.typing as npt

from rnndiag.containers.folders import is_file
from rnndiag.errors import InputCode, RnndiagError

DAMAGE = (
    *(OSError, ValueError, EOFError, KeyError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)
"""What numpy raises for a file that is none of its own, or damaged, cut or encrypted."""

ALONE = "array"
"""What the one array of an .npy is called."""

NOT_READABLE = "is not a readable .npy, .npz or .safetensors file"


def read_arrays(path: str) -> dict[str, npt.NDArray[np.float64]]:
    """Every array of the file by name, in float64; the one of an .npy is named "array".

    Raises RnndiagError (RD007): not such a file, not numbers, or values that are not finite.
    """
    arrays = {name: _numbers(name, array, path) for name, array in _load(path).items()}
    if not arrays:
        raise _unusable(path, "holds no array")
    return arrays


def _load(path: str) -> dict[str, npt.NDArray[np.generic]]:
    if path.endswith(".safetensors"):
        from rnndiag.containers import read

        return {name: tensor.load() for name, tensor in read(path).tensors.items()}
    if not is_file(path):
        raise _unusable(path, "is not a file")
    try:
        # allow_pickle=False: an object array would run code.
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {ALONE: loaded}
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except DAMAGE as error:
        raise _unusable(path, NOT_READABLE) from error
    # Of any other zip, a checkpoint too, numpy gives the members as bytes.
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise _unusable(path, NOT_READABLE)
    return arrays


def _numbers(name: str, array: npt.NDArray[np.generic], path: str) -> npt.NDArray[np.float64]:
    named = "" if name == ALONE else f"array {name} "
    if array.dtype.kind not in "fiu":
        raise _unusable(path, f"{named}has dtype {array.dtype}, numbers are needed")
    values = np.asarray(array, dtype=np.float64)
    if not np.isfinite(values).all():
        raise _unusable(path, f"{named}holds values that are not finite")
    return values


def _unusable(path: str, what: str) -> RnndiagError:
    return RnndiagError(
        InputCode.USAGE, f"{path} {what}", "give a finite array as .npy, .npz or .safetensors"
    )
