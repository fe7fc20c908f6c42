"""Every row of the table of bad inputs that concerns reading, one test a class of rows.

A case writes a file and says what reading it must come to: a code and words of the message, or
None where the file is read. Every file with a payload would touch a marker, which must not appear.
"""

from __future__ import annotations

import gzip
import os
import pickle
import random
import struct
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
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
    payload_in,
    put,
    safetensors,
    saved,
    sock,
    sparse,
    tgz,
    trap,
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

from rnndiag.containers import read
from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.errors import RnndiagError

Case = tuple[int, str | None, str, Build]
"""Row of the table, code, words, file. `words` of a file that is read: in skipped or notes."""

SECONDS = 5

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
    (18, "RD002", "decompress it first", put(gzip.compress(b"x" * 100))),
    (18, "RD002", "decompress it first", put(tgz())),
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

UNSAFE: list[Case] = [
    (14, "RD004", "zip bomb", packed_zeros),
    (15, "RD004", "same name", twice),
    (16, "RD005", "encrypted", encrypted),
    (24, "RD004", "alter torch.Tensor", zipped(in_dict(opcode_global("torch", "Tensor") + b"}b"))),
    (26, "RD004", "nested deeper|unfold", zipped(b"\x80\x04}N" + b"2\x86" * 60 + b"Ns.")),
    (27, "RD004", "nested deeper", zipped(b"\x80\x04" + b"]" * 90_000 + b"a" * 89_999 + b".")),
    (29, "RD004", "repeats", zipped(in_dict(tensor((1 << 20, 1 << 20), (0, 0))))),
    (31, "RD004", "pipe", lambda f: torch_tar(f, {"a": [1.0]}, {"storages": tarfile.FIFOTYPE})),
    (31, "RD004", "link", lambda f: torch_tar(f, {"a": [1.0]}, {"pickle": tarfile.SYMTYPE})),
    (48, "RD004", "outside", index_to("../w.safetensors")),
    (48, "RD004", "outside", index_to("/etc/passwd")),
]

PATHS: list[Case] = [
    (47, "RD003", "w.safetensors is missing", index_to("w.safetensors")),
    (49, "RD001", "no such file", lambda f: str(f / "missing.pt")),
    (51, "RD001", "cannot be opened", loop),
    (52, "RD001", "named pipe", fifo),
    (52, "RD001", "socket", sock),
    (52, "RD001", "device", lambda f: os.devnull),
]

RUN = [
    lambda f, t: torch_zip(f, in_dict(t)),
    lambda f, t: torch_legacy(f, in_dict(t), {}),
    lambda f, t: put(in_dict(t))(f),
    lambda f, t: put(in_dict(nested(in_dict(t))))(f),
    lambda f, t: torch_zip(f, in_dict(nested(in_dict(t)))),
    lambda f, t: plain_zip(f / "a.zip", {"data": b"{}", "policy.pth": in_dict(t)}),
    lambda f, t: plain_zip(
        f / "a.pt", {"m/data.pkl": in_dict(t), "m/constants.pkl": in_dict(t), "m/code/a.py": b"!"}
    ),
]

READ: list[Case] = [
    (13, None, "", zipped(compression=zipfile.ZIP_DEFLATED)),
    (
        19,
        None,
        "",
        lambda f: plain_zip(f / "a.zip", {"data": b"{}", "policy.pth": WEIGHT[:3] + b"."}),
    ),
    *((24, None, "os.system", payload_in(wrap)) for wrap in RUN),
    (27, None, "refers to what contains it", zipped(b"\x80\x04]q\x00h\x00a.")),
    (30, None, "sparse", sparse),
    (39, None, "", saved({"w": torch.ones(2).half(), "b": torch.ones(2).bfloat16()})),
    (39, None, "float8", saved({"w": torch.ones(4).to(torch.float8_e4m3fn)})),
    (42, None, "meta tensor", saved({"w": torch.empty(2, device="meta")})),
    (43, None, "", zipped(WEIGHT.replace(b"\x8c\x03cpu", b"\x8c\x06xpu:33"))),
    (45, None, "", zipped(data=np.arange(6, dtype=">f4").tobytes(), extra={"byteorder": b"big"})),
]


def outcome(path: str) -> Checkpoint | RnndiagError:
    started = time.perf_counter()
    try:
        checkpoint = read(path)
        for stored in checkpoint.tensors.values():
            stored.load()
        return checkpoint
    except RnndiagError as error:
        return error
    finally:
        assert time.perf_counter() - started < SECONDS


def judge(folder: Path, case: Case) -> None:
    _, code, words, build = case
    found = outcome(build(folder))
    assert not (folder / "marker").exists()
    if code is None:
        assert isinstance(found, Checkpoint), found
        said = [*(item.reason for item in found.skipped), *found.notes, *found.would_import]
        assert any(words in text for text in said) or not words, said
        return
    assert isinstance(found, RnndiagError)
    assert found.code.value == code
    text = str(found)
    assert any(word in text for word in words.split("|")), text
    assert "\n" not in text


def rows(cases: list[Case]) -> list[Any]:
    return [pytest.param(case, id=f"row{case[0]}-{place}") for place, case in enumerate(cases)]


@pytest.mark.parametrize("case", rows(NOT_CHECKPOINTS))
def test_what_is_no_checkpoint_is_named(tmp_path: Path, case: Case) -> None:
    judge(tmp_path, case)


@pytest.mark.parametrize("case", rows(DAMAGED))
def test_what_is_damaged_is_said(tmp_path: Path, case: Case) -> None:
    judge(tmp_path, case)


@pytest.mark.parametrize("case", rows(UNSAFE))
def test_what_is_unsafe_is_refused_in_time(tmp_path: Path, case: Case) -> None:
    judge(tmp_path, case)


@pytest.mark.parametrize("case", rows(PATHS))
def test_paths_to_no_file(tmp_path: Path, case: Case) -> None:
    judge(tmp_path, case)


@pytest.mark.parametrize("case", rows(READ))
def test_what_torch_stumbles_over_is_read(tmp_path: Path, case: Case) -> None:
    judge(tmp_path, case)


@pytest.mark.parametrize("wrap", range(len(RUN)))
def test_the_payload_would_run(tmp_path: Path, wrap: int) -> None:
    """The same opcodes do touch the marker when Python loads them: the tests above can fail."""
    assert trap(tmp_path) in Path(RUN[wrap](tmp_path, trap(tmp_path))).read_bytes()
    pickle.loads(b"\x80\x04" + trap(tmp_path) + b".")
    assert (tmp_path / "marker").exists()


def test_shared_storages_are_one_tensor(tmp_path: Path) -> None:
    """Row 44: a module's own list of its weights."""
    weight = torch.ones(4, 4)
    found = read(saved({"w": weight, "copies": [weight, weight.t()]})(tmp_path)).tensors
    assert found["w"].identity == found["copies.0"].identity
    assert found["w"].identity != found["copies.1"].identity


def test_a_shard_says_that_it_is_one(tmp_path: Path) -> None:
    """Row 46: one process's part of a DTensor."""
    kind = opcode_global("torch.distributed.tensor", "DTensor")
    checkpoint = read(torch_zip(tmp_path, in_dict(kind + b")\x81")))
    assert "shard" in checkpoint.skipped[0].reason


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_file_cut_or_grown_between_reading_and_loading(tmp_path: Path, size: int) -> None:
    """Row 59."""
    path = torch_zip(tmp_path, WEIGHT, {"0": SIX_FLOATS})
    checkpoint = read(path)
    os.truncate(path, size)
    for get in (lambda t: t.load(), lambda t: list(t.blocks())):
        with pytest.raises(RnndiagError, match="RD003 the file changed while being read"):
            get(checkpoint.tensors["weight"])
