"""HDF5, as far as saying whose it is: Keras' weights, another program's, or one that is cut off.

The superblock says where the file ends; marks are the names of attributes and groups that each
writer leaves. Source: HDF5 File Format Specification 3.0, II.A.
"""

from __future__ import annotations

from rnndiag.containers.failures import truncated, unsupported
from rnndiag.containers.readable import Readable
from rnndiag.errors import RnndiagError

MAGIC = b"\x89HDF\r\n\x1a\n"

_END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
"""Version of the superblock → where it has the file's end, for addresses of eight bytes."""

_BASE_AT = {0: 24, 1: 28, 2: 12, 3: 12}
"""The same of the address that all others are relative to."""

_SIZE_OF_ADDRESSES_AT = {0: 13, 1: 13, 2: 9, 3: 9}

_SEARCHED_BYTES = 1 << 18
"""From either end of the file: names stand with what they name, not among the numbers."""

_KERAS = (b"keras_version", b"layer_names", b"model_weights", b"_layer_checkpoint_dependencies")
_WRITERS = (
    ("a netCDF-4 file", b"_NCProperties"),
    ("a pandas HDFStore", b"pandas_type"),
    ("a PyTables file", b"PYTABLES_FORMAT_VERSION"),
    ("an AnnData file", b"anndata"),
    ("a Julia JLD2 file", b"Julia data file"),
)

_AS_TORCH = "save its weights by name with torch.save, safetensors or numpy.savez"


def explain(source: Readable) -> RnndiagError:
    """What an HDF5 file is; an error to raise."""
    if _is_cut(source):
        return truncated()
    searched = min(_SEARCHED_BYTES, source.size)
    ends = source.read_at(0, searched) + source.read_at(source.size - searched, searched)
    if any(mark in ends for mark in _KERAS):
        return unsupported("Keras weights in an HDF5 file: not supported", _AS_TORCH)
    writers = (f"{what}: not supported" for what, mark in _WRITERS if mark in ends)
    return unsupported(next(writers, "an HDF5 file, not Keras's: not supported"), _AS_TORCH)


def _is_cut(source: Readable) -> bool:
    """Whether the file ends before its superblock says."""
    head = source.head()
    version = head[len(MAGIC)] if len(head) > len(MAGIC) else -1
    if version not in _END_AT or head[_SIZE_OF_ADDRESSES_AT[version]] != 8:
        return version == -1

    def address(at: int) -> int:
        return int.from_bytes(head[at : at + 8], "little")

    return address(_BASE_AT[version]) + address(_END_AT[version]) > source.size
