"""The table of bad inputs as cases: how to write each file, and what reading it must come to.

The readers' tests and the command line's take the same ones.
"""

from __future__ import annotations

import gzip
import os
import random
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

from containers.archives import tar_of, zip_of
from containers.bad_files import (
    WEIGHT,
    Build,
    cut,
    encrypted,
    fifo,
    folder_with,
    index_to,
    legacy,
    loop,
    nested,
    packed_zeros,
    put,
    safetensors,
    sock,
    tgz,
    twice,
    zipped,
)
from containers.builders import (
    SIX_FLOATS,
    in_dict,
    opcode_global,
    plain_zip,
    tensor,
    torch_legacy,
    torch_tar,
    torch_zip,
)

Case = tuple[int, str | None, str, Build]
"""Row of the table, code, words, file. `words` of a file that is read: in skipped or notes."""

NOT_CHECKPOINTS: list[Case] = [
    (1, "RD003", "file is empty", put(b"")),
    (2, "RD001", "it is a directory", folder_with()),
    (2, "RD005", "DCP", folder_with(".metadata", "__0_0.distcp")),
    (3, "RD002", "web page", put(b"<!DOCTYPE html><html>404")),
    (4, "RD002", "XML error reply", put(b'<?xml version="1.0"?><Error>')),
    (4, "RD002", "error reply", put(b'{"message": "Not Found"}')),
    (5, "RD002", "git lfs pull", put(b"version https://git-lfs.github.com/spec/v1\noid x")),
    (17, "RD002", "not a checkpoint", put(random.Random(7).randbytes(5000))),
    (17, "RD002", "zeros", put(bytes(5000))),
    (18, "RD002", "inside gzip: a text file", put(gzip.compress(b"x" * 100))),
    (18, "RD002", "unpack it first: tar xf", put(tgz())),
    (19, "RD002", "holding a.txt", lambda f: plain_zip(f / "a.zip", {"a.txt": b"x"})),
    (20, "RD005", "ONNX", put(b"\x08\x07\x12\x07pytorch\x1a\x032.1")),
    (21, "RD005", "HDF5", put(b"\x89HDF\r\n\x1a\n" + bytes(100))),
    (22, "RD005", "GGUF", put(b"GGUF\x03\0\0\0")),
    (22, "RD005", "TensorFlow", put(b"\0\0\x09_CHECKPOINTABLE_OBJECT_GRAPH")),
    (23, "RD005", ".pt2", lambda f: plain_zip(f / "m.pt2", {"m/archive_format": b"pt2"})),
]

DAMAGED: list[Case] = [
    (6, "RD003", "truncated", cut(zipped(), 0.5)),
    (7, "RD003", "truncated", cut(zipped(), 0.97)),
    (8, "RD003", "truncated", cut(legacy, 0.9)),
    (9, "RD003", "truncated", cut(safetensors, 0.9)),
    (9, "RD003", "truncated", put(struct.pack("<Q", 1 << 40) + b'{"w":')),
    (10, "RD003", "archive/data/0 is missing", zipped(data=None)),
    (11, "RD003", "shorter than declared", zipped(data=SIX_FLOATS[:8])),
    (28, "RD003", "corrupt", zipped(in_dict(tensor((2, 3), (3, 1), -1)))),
    (28, "RD003", "corrupt", zipped(in_dict(tensor((2, 3), (-3, 1))))),
    (28, "RD003", "corrupt", zipped(in_dict(tensor((-2, 3), (3, 1))))),
    (28, "RD003", "corrupt", zipped(in_dict(tensor((20, 30), (30, 1))))),
]


def deep(levels: int) -> bytes:
    """A torch file in a torch file in a torch file."""
    inner = b"N"
    for _ in range(levels):
        inner = nested(in_dict(inner))
    return inner


TWO = ("a.pt", "b.pt")

UNSAFE: list[Case] = [
    (14, "RD004", "zip bomb", packed_zeros),
    (15, "RD004", "same name", twice),
    (16, "RD005", "encrypted", encrypted),
    (24, "RD004", "alter torch.Tensor", zipped(in_dict(opcode_global("torch", "Tensor") + b"}b"))),
    (25, "RD004", "nested in it deeper", zipped(in_dict(deep(6)))),
    (26, "RD004", "unfold", zipped(b"\x80\x04}N" + b"2\x86" * 60 + b"Ns.")),
    (27, "RD004", "nested deeper", zipped(b"\x80\x04" + b"]" * 90_000 + b"a" * 89_999 + b".")),
    (29, "RD004", "repeats", zipped(in_dict(tensor((1 << 20, 1 << 20), (0, 0))))),
    (31, "RD004", "pipe", lambda f: torch_tar(f, {"a": [1.0]}, {"storages": tarfile.FIFOTYPE})),
    (18, "RD004", "several checkpoints: a.pt, b.pt", put(tar_of(dict.fromkeys(TWO, WEIGHT)))),
    (18, "RD004", "deeper", put(tar_of({"a": tar_of({"a": tar_of({"a": tar_of({"a": b""})})})}))),
    (31, "RD004", "pipe", put(tar_of({"a.pt": WEIGHT, "b": b""}, {"b": tarfile.FIFOTYPE}))),
    (31, "RD004", "link", lambda f: torch_tar(f, {"a": [1.0]}, {"pickle": tarfile.SYMTYPE})),
    (48, "RD004", "outside", index_to("../w.safetensors")),
    (48, "RD004", "outside", index_to("/etc/passwd")),
]

PATHS: list[Case] = [
    (47, "RD003", "w.safetensors is missing", index_to("w.safetensors")),
    (49, "RD001", "no such file", lambda f: str(f / "missing.pt")),
    (49, "RD001", "no such file", lambda f: str(f / "unmatched" / "*.pt")),
    (51, "RD001", "cannot be opened", loop),
    (52, "RD001", "named pipe", fifo),
    (52, "RD001", "socket", sock),
    (52, "RD001", "device", lambda f: os.devnull),
]

RUN: list[Callable[[Path, bytes], str]] = [
    lambda f, t: torch_zip(f, in_dict(t)),
    lambda f, t: torch_legacy(f, in_dict(t), {}),
    lambda f, t: put(in_dict(t))(f),
    lambda f, t: put(in_dict(nested(in_dict(t))))(f),
    lambda f, t: torch_zip(f, in_dict(nested(in_dict(t)))),
    lambda f, t: plain_zip(f / "a.zip", {"data": b"{}", "policy.pth": in_dict(t)}),
    lambda f, t: plain_zip(
        f / "a.pt", {"m/data.pkl": in_dict(t), "m/constants.pkl": in_dict(t), "m/code/a.py": b"!"}
    ),
    lambda f, t: put(tar_of({"model.pkl": in_dict(t), "a.txt": b"a"}))(f),
    lambda f, t: put(zip_of({"model.pkl": in_dict(t), "a.txt": b"a"}))(f),
]
"""Where the payload of a test can stand in a file."""
