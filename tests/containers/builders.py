"""Writes the files that the tests read: torch's two containers around any pickle."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

MAGIC = 0x1950A86A20F9469CFC6C
STOP = b"."


def opcode_global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def torch_zip(
    folder: Path,
    pickled: bytes,
    storages: dict[str, bytes] | None = None,
    extra: dict[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> str:
    path = folder / "built.pt"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, data in (extra or {}).items():
            archive.writestr(f"archive/{name}", data)
        for key, data in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", data)
    return str(path)


def torch_legacy(folder: Path, pickled: bytes, storages: dict[str, tuple[int, bytes]]) -> str:
    path = folder / "built_legacy.pt"
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, {"little_endian": True}))
    body = pickle.dumps(list(storages), 2)
    for count, data in storages.values():
        body += struct.pack("<q", count) + data
    path.write_bytes(head + pickled + body)
    return str(path)


def storage(key: str = "0", count: int = 6, kind: str = "FloatStorage") -> bytes:
    """A persistent id in protocol 4 opcodes."""
    return (
        b"("
        + short("storage")
        + opcode_global("torch", kind)
        + short(key)
        + short("cpu")
        + number(count)
        + b"tQ"
    )


def number(value: int) -> bytes:
    """LONG1, any sign, up to 255 bytes."""
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(number(value) for value in values) + b"t"


def tensor(
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int = 0,
    stored: bytes | None = None,
) -> bytes:
    """_rebuild_tensor_v2 with these numbers, whether or not they make sense."""
    return (
        opcode_global("torch._utils", "_rebuild_tensor_v2")
        + b"("
        + (storage() if stored is None else stored)
        + number(offset)
        + numbers(shape)
        + numbers(strides)
        + b"\x89NtR"
    )


def in_dict(value: bytes, name: str = "weight") -> bytes:
    return b"\x80\x04}" + short(name) + value + b"s" + STOP


SIX_FLOATS = struct.pack("<6f", *range(6))


def torch_tar(
    folder: Path,
    tensors: dict[str, list[float]],
    kinds: dict[str, bytes] | None = None,
    views: object = (),
    text_keys: bool = False,
    modified: float = 0,
) -> str:
    """torch 0.1's container of a dictionary of vectors, and members of other kinds (FIFO, link).

    With `text_keys`, its tables name storages by texts; a time that is no whole number puts an
    extended header before every member.
    """
    storages = pickle.dumps(len(tensors), 2)
    table = pickle.dumps(len(tensors), 2)
    body = b""
    for place, (name, values) in enumerate(tensors.items()):
        kind = opcode_global("torch", "FloatStorage")
        key = short(f"s{place}") if text_keys else number(place)
        storages += b"\x80\x02(" + key + b"X\x03\0\0\0cpu" + kind + b"t."
        storages += struct.pack(f"<q{len(values)}f", len(values), *values)
        kind = opcode_global("torch", "FloatTensor")
        table += b"\x80\x02(" + number(100 + place) + key + kind + b"t."
        table += struct.pack("<iiqqq", 1, 0, len(values), 1, 0)
        body += short(name) + short(str(100 + place)) + b"Q"
    members = {
        "sys_info": pickle.dumps({}, 2),
        "pickle": b"\x80\x04}(" + body + b"u.",
        "tensors": table,
        "storages": storages + pickle.dumps(views, 2),
    }
    path = folder / "built.tar"
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.type = (kinds or {}).get(name, tarfile.REGTYPE)
            entry.linkname = "/etc/passwd" if entry.type != tarfile.REGTYPE else ""
            entry.mtime = modified
            entry.size = len(data) if entry.isreg() else 0
            archive.addfile(entry, io.BytesIO(data))
    return str(path)


def npy(header: bytes, data: bytes = b"", version: int = 1) -> bytes:
    """A numpy array with this header, whether or not it makes sense."""
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes((version, 0)) + length + header + data


def plain_zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> str:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return str(path)
