"""Writes the files that the table of bad inputs speaks of, most of them broken on purpose."""

from __future__ import annotations

import io
import os
import socket
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from containers.builders import (
    SIX_FLOATS,
    in_dict,
    opcode_global,
    plain_zip,
    short,
    storage,
    tensor,
    torch_legacy,
    torch_zip,
)
from safetensors.torch import save_file

Build = Callable[[Path], str]
Change = Callable[[str, bytes], bytes]
WEIGHT = in_dict(tensor((2, 3), (3, 1)))
LEGACY = in_dict(tensor((2, 3), (3, 1), stored=storage()[:-2] + b"NtQ"))


def put(data: bytes) -> Build:
    def build(folder: Path) -> str:
        path = folder / "model.pt"
        path.write_bytes(data)
        return str(path)

    return build


def cut(build: Build, keep: float) -> Build:
    def shorter(folder: Path) -> str:
        path = Path(build(folder))
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * keep)])
        return str(path)

    return shorter


def zipped(pickled: bytes = WEIGHT, data: bytes | None = SIX_FLOATS, **options: Any) -> Build:
    storages = None if data is None else {"0": data}
    return lambda folder: torch_zip(folder, pickled, storages, **options)


def rezipped(
    path: str, change: Change = lambda _, data: data, compression: int = zipfile.ZIP_STORED
) -> str:
    """The same archive with its members changed, or packed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return plain_zip(
        Path(path), {name: change(name, data) for name, data in members.items()}, compression
    )


def flip_a_bit(path: str, member: str) -> str:
    """A member whose name ends so gets another byte; its checksum stays what it was."""
    with zipfile.ZipFile(path) as archive:
        entry = next(i for i in archive.infolist() if i.filename.endswith(member))
    content = bytearray(Path(path).read_bytes())
    content[entry.header_offset + 64 + len(entry.filename)] ^= 1
    Path(path).write_bytes(content)
    return path


def packed_zeros(folder: Path) -> str:
    """300 megabytes of zeros in little more than one."""
    path = folder / "bomb.pt"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("archive/data.pkl", "w") as member,
    ):
        for _ in range(300):
            member.write(bytes(1 << 20))
    return str(path)


def twice(folder: Path) -> str:
    path = Path(torch_zip(folder, WEIGHT, {"0": SIX_FLOATS, "1": SIX_FLOATS}))
    path.write_bytes(path.read_bytes().replace(b"archive/data/1", b"archive/data/0"))
    return str(path)


def encrypted(folder: Path) -> str:
    path = Path(torch_zip(folder, WEIGHT, {"0": SIX_FLOATS}))
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(whole)
    return str(path)


def legacy(folder: Path) -> str:
    return torch_legacy(folder, LEGACY, {"0": (6, SIX_FLOATS)})


def safetensors(folder: Path) -> str:
    path = str(folder / "model.safetensors")
    save_file({"w": torch.ones(100)}, path)
    return path


def saved(thing: Any, **options: Any) -> Build:
    def build(folder: Path) -> str:
        path = str(folder / "saved.pt")
        torch.save(thing, path, **options)
        return path

    return build


def tgz() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


def trap(folder: Path) -> bytes:
    return opcode_global("os", "system") + short(f"touch {folder / 'marker'}") + b"\x85R"


def payload_in(wrap: Callable[[Path, bytes], str]) -> Build:
    return lambda folder: wrap(folder, trap(folder))


def nested(raw: bytes) -> bytes:
    loader = opcode_global("torch.storage", "_load_from_bytes")
    return loader + b"B" + struct.pack("<I", len(raw)) + raw + b"\x85R"


def folder_with(*names: str) -> Build:
    def build(folder: Path) -> str:
        for name in names:
            (folder / "sub").mkdir(exist_ok=True)
            (folder / "sub" / name).touch()
        return str(folder / "sub") if names else str(folder)

    return build


def index_to(shard: str) -> Build:
    def build(folder: Path) -> str:
        (folder / "model.safetensors.index.json").write_text(
            f'{{"weight_map": {{"w": "{shard}"}}}}'
        )
        return str(folder)

    return build


def fifo(folder: Path) -> str:
    os.mkfifo(folder / "fifo")
    return str(folder / "fifo")


def loop(folder: Path) -> str:
    (folder / "loop").symlink_to(folder / "loop")
    return str(folder / "loop")


def sock(folder: Path) -> str:
    here = Path.cwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s")
    finally:
        os.chdir(here)
    return str(folder / "s")


def sparse(folder: Path) -> str:
    call = opcode_global("torch._utils", "_rebuild_sparse_tensor") + b"K\x01" + b"(K\x09K\xfft\x86R"
    return torch_zip(folder, in_dict(call))
