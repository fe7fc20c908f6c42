"""Files that are no checkpoint: each is told what it is and what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from rnndiag import containers
from rnndiag.containers import CONTAINERS, read
from rnndiag.errors import InputCode, RnndiagError

WRONG, OTHER = InputCode.NOT_A_CHECKPOINT, InputCode.UNSUPPORTED


def tar_of(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


def zip_of(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
JSON = b'{"error": "Repository not found"}'

CASES = [
    (b"<!DOCTYPE html><html><body>Not found", WRONG, "web page", "download"),
    (b"\n  <html><head>", WRONG, "web page", "download"),
    (b'<?xml version="1.0"?><Error><Code>AccessDenied', WRONG, "XML", "download"),
    (b"<Error>", WRONG, "XML", "download"),
    (JSON, WRONG, "JSON", "download"),
    (b'{\n  "error": 1}', WRONG, "JSON", "download"),
    (LFS, WRONG, "git-lfs pointer", "git lfs pull"),
    (gzip.compress(b"x", mtime=0), WRONG, "gzip", "decompress"),
    (b"\x04\x22\x4d\x18" + bytes(20), WRONG, "lz4", "unlz4"),
    (b"\x28\xb5\x2f\xfd" + bytes(20), WRONG, "zstandard", "unzstd"),
    (gzip.compress(tar_of("a"), mtime=0), WRONG, "gzip", "unpack it first: tar xf"),
    (bz2.compress(b"x"), WRONG, "bzip2", "decompress"),
    (lzma.compress(b"x"), WRONG, "xz", "decompress"),
    (tar_of("README"), WRONG, "tar archive", "unpack"),
    (b"\x08\x07\x12\x07pytorch\x1a\x032.1", OTHER, "ONNX", "made from"),
    (b"\x89HDF\r\n\x1a\n" + bytes(50), OTHER, "HDF5", "save"),
    (b"GGUF\x03\x00\x00\x00", OTHER, "GGUF", "made from"),
    (b"\x00\x00\x09_CHECKPOINTABLE_OBJECT_GRAPH", OTHER, "TensorFlow", "save"),
    (rb"MAGIC = b'\x93NUMPY'  # tensorflow, too", WRONG, "text file", "name a file"),
    (b"\x93NUMPY\x01\x00", OTHER, "numpy array", "save"),
    (zip_of("m/archive_format", "m/data"), OTHER, ".pt2", "save"),
    (zip_of("a.txt", "b\x1b.txt"), WRONG, "holding a.txt, b\\x1b.txt", "unpack"),
    (zip_of(), WRONG, "empty zip", "name a file"),
    (bytes(5000), WRONG, "zeros", "download"),
    (random.Random(0).randbytes(5000), WRONG, "unknown bytes", "name a file"),
    (b"epoch 1 loss 0.3\n" * 300, WRONG, "text file", "name a file"),
    ("é".encode() * 3000, WRONG, "text file", "name a file"),
    (b"\x80", InputCode.DAMAGED, "truncated", "again"),
    (b"\x80\x02\x8a\nl\xfc", InputCode.DAMAGED, "truncated", "again"),
]


@pytest.mark.parametrize(("data", "code", "what", "remedy"), CASES)
def test_impostor(tmp_path: Path, data: bytes, code: InputCode, what: str, remedy: str) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(data)
    with pytest.raises(RnndiagError) as caught:
        read(str(path))
    assert caught.value.code is code
    assert what in caught.value.what
    assert remedy in caught.value.remedy


def test_the_extension_is_never_looked_at(tmp_path: Path) -> None:
    for name in ("model.safetensors", "model.html", "model"):
        torch.save({"w": torch.ones(2)}, tmp_path / name)
        assert read(str(tmp_path / name)).container == "torch-zip"


def test_random_bytes_never_surprise(tmp_path: Path) -> None:
    """Every magic number followed by noise is an RnndiagError."""
    path = tmp_path / "noise"
    dice = random.Random(1)
    magics = [data[:length] for data, *_ in CASES for length in (2, 4, 16)]
    for magic in [*magics, b"PK\x03\x04", b"PK\x05\x06", b"\x02\0\0\0\0\0\0\0{}"]:
        path.write_bytes(magic + dice.randbytes(dice.randrange(1, 600)))
        with pytest.raises(RnndiagError):
            read(str(path))


def test_every_container_file_is_registered() -> None:
    folder = Path(containers.__file__).parent
    declared = {
        line.split(" = ")[0]
        for file in folder.glob("*.py")
        for line in file.read_text("utf-8").splitlines()
        if " = Container(" in line or '.container("' in line
    }
    assert len(declared) == len(CONTAINERS) == len({container.name for container in CONTAINERS})
