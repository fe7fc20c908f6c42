"""A folder in place of a file: the one checkpoint in it, or why there is none."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rnndiag.containers.failures import cannot_open, unsupported
from rnndiag.errors import Content, reason

INDEX_SUFFIX = ".safetensors.index.json"
_SHARD = ".safetensors"


def is_folder(path: str) -> bool:
    """True for a directory; false for whatever else, or nothing, stands there."""
    return os.path.isdir(path)  # noqa: PTH112 (a hostile path need not survive Path())


def is_file(path: str) -> bool:
    """True for a regular file that can be reached; Path.is_file raises where a folder is closed."""
    return os.path.isfile(path)  # noqa: PTH113 (the same)


def is_empty(path: str) -> bool:
    """True for a file of no bytes that can be reached."""
    return is_file(path) and os.path.getsize(path) == 0  # noqa: PTH202 (the same)


def is_there(path: str) -> bool:
    """True for whatever can be reached; Path.exists raises where a folder is closed."""
    return os.path.exists(path)  # noqa: PTH110 (the same)


def closed(folder: str) -> str | None:
    """Why a folder cannot be looked into: its names, or what they stand for, are not to be had."""
    try:
        os.scandir(folder).close()
        os.stat(os.path.join(folder, "."))  # noqa: PTH116, PTH118 (the same)
    except OSError as error:
        return reason(error)
    return None


def is_distributed(names: Sequence[str]) -> bool:
    """Whether a folder with files of these names is a distributed checkpoint (DCP)."""
    return ".metadata" in names and any(name.endswith(".distcp") for name in names)


def in_folder(folder: str) -> tuple[str | None, list[str]]:
    """The path of its only index, and the names of its safetensors files.

    Raises RD001 where the folder has neither, or several indices, and RD005 for formats that are
    folders and are not read.
    """
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (names as they are)
    except OSError:
        raise cannot_open("the directory cannot be listed", "check its permissions") from None
    if is_distributed(names):
        raise unsupported(
            "a distributed checkpoint (DCP) folder: not supported",
            "convert it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch",
            Content.UNREADABLE,
        )
    indices = [name for name in names if name.endswith(INDEX_SUFFIX)]
    if len(indices) > 1:
        raise cannot_open("it is a directory with several indices", "name one of them")
    shards = [name for name in names if name.endswith(_SHARD)]
    if not indices and not shards:
        raise cannot_open("it is a directory", "name a file in it")
    return (os.path.join(folder, indices[0]) if indices else None), shards  # noqa: PTH118 (the same)
