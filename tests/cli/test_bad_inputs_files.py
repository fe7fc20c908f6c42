"""Rows 1 to 31 and 46 to 52 of the table of bad inputs: paths and files that are not read."""

from __future__ import annotations

import ctypes
import os
import pickle
import sys
from pathlib import Path

import pytest
from cli.bad_inputs import BRIEF, COMMANDS, GOOD, QUICK, SINGLE, Calls, cases, row
from cli.command import expect_error, rnndiag
from containers.bad_cases import DAMAGED, NOT_CHECKPOINTS, PATHS, RUN, UNSAFE
from containers.bad_files import flip_a_bit, payload_in, saved, trap
from torch import nn

SLOW = {26, 27}
"""Reading a bomb takes up to a second, until its budget is used up."""


@cases(NOT_CHECKPOINTS, DAMAGED, UNSAFE, PATHS, elsewhere={24, 25})
def test_a_file_that_is_not_read(tmp_path, monkeypatch, in_process, case, as_process):
    number, code, words, build = case
    monkeypatch.chdir(tmp_path)
    calls = Calls.on(build(tmp_path), tmp_path, in_process)
    # `check` walks a folder, with tests of its own.
    commands = SINGLE if Path(calls.path).is_dir() else COMMANDS
    if as_process:
        calls.process(commands[number % len(commands)], code, words)
    if number not in SLOW:
        calls.every(commands, code, words)
    if number not in SLOW | {2}:
        calls.beside_another(code)
    assert not (tmp_path / "marker").exists()


HOSTILE = [(24 if place not in {3, 4} else 25, payload_in(wrap)) for place, wrap in enumerate(RUN)]
"""The fourth and the fifth hold the payload in a torch file within the file."""


@cases(HOSTILE)
def test_a_pickle_that_would_run_code(tmp_path, monkeypatch, in_process, case, as_process):
    number, build = case
    monkeypatch.chdir(tmp_path)
    calls = Calls.on(build(tmp_path), tmp_path, in_process)
    told = ("RD006", "a trusting load would import os.system")
    if as_process:
        calls.process(COMMANDS[number % len(COMMANDS)], *told)
    calls.every(COMMANDS, *told)
    calls.beside_another("RD006")
    assert not (tmp_path / "marker").exists()
    pickle.loads(b"\x80\x04" + trap(tmp_path) + b".")
    assert (tmp_path / "marker").exists(), "the payload is harmless, so the test shows nothing"


@row(12)
def test_a_record_that_does_not_have_its_checksum(tmp_path, monkeypatch, in_process):
    monkeypatch.chdir(tmp_path)
    name = Path(flip_a_bit(saved(nn.LSTM(3, 4).state_dict())(tmp_path), "data/1")).name
    told = ("RD003", "data/1 does not have its checksum")
    expect_error(rnndiag("check", name, "--verify", folder=tmp_path), *told, where=name)
    for command in COMMANDS:
        expect_error(in_process(command, name, "--verify"), *told, where=name)
        # As torch does: asked for nothing, it computes no checksums.
        assert in_process(command, name, *BRIEF[command]).returncode == 0


@row(2)
def test_check_walks_a_folder(tmp_path, in_process):
    (tmp_path / "runs" / "first").mkdir(parents=True)
    saved(nn.GRU(3, 4).state_dict())(tmp_path / "runs" / "first")
    ran = rnndiag("check", "runs", *QUICK, folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "clean: files 1, " in ran.stdout
    (tmp_path / "runs" / "empty.pt").touch()
    ran = in_process("check", tmp_path / "runs", *QUICK)
    assert ran.returncode == 2
    assert "runs/empty.pt: RD003 the file is empty" in ran.stderr
    assert "no-verdict: files 1, " in ran.stdout


def give_up_privileges() -> None:
    """Root reads everything until it drops these two capabilities, for good when it calls exec."""
    drop, override, search = 24, 1, 2
    for capability in (override, search):
        if LIBC.prctl(drop, capability, 0, 0, 0) != 0:
            raise OSError("a privilege cannot be dropped")


LIBC = ctypes.CDLL(None)
IS_ROOT = os.geteuid() == 0


@row(50)
@pytest.mark.skipif(IS_ROOT and sys.platform != "linux", reason="root may read every file here")
def test_a_file_and_a_folder_without_permission(tmp_path):
    before = give_up_privileges if IS_ROOT else None
    path = Path(saved(nn.GRU(3, 4).state_dict())(tmp_path))
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed").chmod(0)
    path.chmod(0)
    for command, name, words in (
        ("check", path.name, "no permission to read it"),
        ("inspect", f"closed/{path.name}", "no permission to read it"),
        ("check", "closed", "a folder that cannot be looked into"),
    ):
        ran = rnndiag(command, name, folder=tmp_path, before=before)
        expect_error(ran, "RD001", words)


@row(49)
def test_a_name_that_is_too_long(in_process):
    """No such file can be; nor may asking whether it is a folder end in an internal error."""
    name = "x" * 300
    for command in SINGLE:
        expect_error(in_process(command, name), "RD001", "name too long", where=name)
    for option in ("--input", "--initial-state", "--cotangent"):
        expect_error(in_process("bptt-trace", GOOD, option, name), "RD007", name)


@row(49, 50)
def test_check_on_a_name_that_is_too_long(in_process):
    """The same happens for a file in a folder that is closed to the user."""
    expect_error(in_process("check", "x" * 300), "RD001", "name too long")
