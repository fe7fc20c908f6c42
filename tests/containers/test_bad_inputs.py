"""Every row of the table of bad inputs that concerns reading, one test a class of rows.

A case writes a file and says what reading it must come to: a code and words of the message, or
None where the file is read. Every file with a payload would touch a marker, which must not appear.
"""

from __future__ import annotations

import gzip
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from containers.archives import tar_of
from containers.bad_cases import DAMAGED, NOT_CHECKPOINTS, PATHS, RUN, UNSAFE, Case
from containers.bad_files import WEIGHT, payload_in, put, saved, sparse, trap, zipped
from containers.builders import SIX_FLOATS, in_dict, opcode_global, plain_zip, torch_zip
from containers.timing import in_time

from rnndiag.containers import read
from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.errors import RnndiagError

READ: list[Case] = [
    (18, None, "read from its member a.pt", put(tar_of({"a.pt": WEIGHT[:3] + b"."}))),
    (18, None, "", put(gzip.compress(WEIGHT[:3] + b"."))),
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
    with in_time():
        try:
            checkpoint = read(path)
            for stored in checkpoint.tensors.values():
                stored.load()
        except RnndiagError as error:
            return error
    return checkpoint


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
