"""Rows 53 to 64 of the table of bad inputs: how the command is called, and what happens to it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import resource
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from cli import test_bad_inputs_files, test_bad_inputs_networks, test_bad_inputs_weights
from cli.bad_inputs import BRIEF, COMMANDS, GOOD, QUICK, cases, only_layer, row, rows_of
from cli.command import FIXTURES, expect_error, one_error, rnndiag, save, start
from cli.sabotage import sabotaged
from render.reports import HOSTILE, named
from torch import nn

from rnndiag.render import FORMATS

ROWS = set(range(1, 65))


@row(53)
def test_standard_input(monkeypatch, in_process):
    arguments = ("--format", "json")
    piped = rnndiag("spectrum", "-", *arguments, stdin=GOOD.read_bytes())
    assert (piped.returncode, piped.stderr) == (0, "")
    assert only_layer(piped.stdout) == only_layer(in_process("spectrum", GOOD, *arguments).stdout)
    for data, code, words in (
        (b"", "RD003", "the file is empty"),
        (b"hello\n", "RD002", "a text file"),
        (GOOD.read_bytes()[:3000], "RD003", "truncated"),
    ):
        for command in COMMANDS:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
            expect_error(in_process(command, "-"), code, words, where="-")
    monkeypatch.setattr("rnndiag.containers.standard_input.MAX_BYTES", 1000)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD.read_bytes())))
    expect_error(in_process("check", "-"), "RD004", "more than 1000 bytes", where="-")


HOSTILE_FILE = os.fsdecode(b"::error::\xff\x1b[31m[red]\n##[error].pt")


def check_harmless(text: str) -> None:
    """No control character, no workflow command, no line but those of the report itself."""
    assert all(character.isprintable() or character == "\n" for character in text)
    assert not any(line.lstrip().startswith(("::", "##[")) for line in text.splitlines())


def check_annotations(text: str) -> None:
    """Of commands, none but those that the format itself writes."""
    for line in text.splitlines():
        own = re.fullmatch(r"::(?:error|warning|notice) file=[^,:]*,title=[^,:]*::(.*)", line)
        check_harmless(own[1] if own else line)


@row(54, 55)
@pytest.mark.parametrize("format_name", FORMATS)
def test_hostile_names_are_escaped_in_every_format(tmp_path, monkeypatch, in_process, format_name):
    monkeypatch.chdir(tmp_path)
    named(tmp_path / "m.pt", HOSTILE)
    (tmp_path / "m.pt").rename(HOSTILE_FILE)
    (tmp_path / f"notes {HOSTILE}.txt").write_text("words")
    check = check_annotations if format_name == "github" else check_harmless
    for command in FORMATS[format_name].commands:
        where = {"check": ["."], "diff": [HOSTILE_FILE] * 2}.get(command, [HOSTILE_FILE])
        as_process = (command, format_name) == ("inspect", "concise")
        call = partial(rnndiag, folder=tmp_path) if as_process else in_process
        ran = call(command, *where, *BRIEF.get(command, QUICK), "--format", format_name)
        assert (ran.returncode, ran.stderr) == (0, "")
        check(ran.stdout)
        if format_name == "json":
            assert json.loads(ran.stdout)["files"][0]["path"] == HOSTILE_FILE


@row(54, 55)
def test_hostile_names_are_escaped_in_errors(tmp_path, monkeypatch, in_process):
    monkeypatch.chdir(tmp_path)
    named(tmp_path / "m.pt", HOSTILE, nn.Linear(3, 9))
    ran = rnndiag("check", HOSTILE_FILE, folder=tmp_path)
    expect_error(ran, "RD001", "no such file")
    check_harmless(ran.stderr)
    for arguments in (
        ("check", HOSTILE_FILE),
        ("spectrum", "m.pt"),
        ("spectrum", GOOD, "--layer", HOSTILE_FILE),
        ("spectrum", GOOD, "--as", f"{HOSTILE_FILE}=rnn"),
        ("bptt-trace", GOOD, "--input", HOSTILE_FILE),
        ("spectrum", GOOD, "-o", f"missing/{HOSTILE_FILE}"),
        ("spectrum", GOOD, f"--{HOSTILE_FILE}"),
        ("explain", HOSTILE_FILE),
    ):
        ran = in_process(*arguments)
        assert ran.returncode == 2
        one_error(ran.stderr)
        check_harmless(ran.stderr)


LENGTHS = [
    (57, "0", ("--seq-len", "greater than or equal to 1")),
    (57, "-1", ("--seq-len", "greater than or equal to 1")),
    (57, "text", ("--seq-len", "valid integer")),
    (57, "1e9", ("--seq-len", "valid integer")),
    (57, "1000000000", ("--seq-len 1000000000", "GiB of memory", "the limit is 8 GiB")),
]


@cases(LENGTHS)
def test_lengths_that_cannot_be_traced(in_process, case, as_process):
    _, length, words = case
    if as_process:
        expect_error(rnndiag("bptt-trace", GOOD, "--seq-len", length), "RD007", *words)
    for command in ("bptt-trace", "suggest", "check"):
        expect_error(in_process(command, GOOD, "--seq-len", length), "RD007", *words)


def holes(path: Path, hidden: int) -> Path:
    """An LSTM of zeros whose W_hh takes 16 bytes · hidden², of which none is on the disk."""
    shapes = {"weight_hh_l0": (4 * hidden, hidden), "weight_ih_l0": (4 * hidden, 1)}
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * shape[0] * shape[1]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + end)
    return path


def has_open(process, path: Path) -> bool:
    """Whether a running process reads from a file right now."""
    assert process.poll() is None, "it was faster than the test expects"
    for handle in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if handle.readlink() == path:
                return True
    return False


@row(59)
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="nothing tells who reads a file")
def test_a_file_cut_while_it_is_read(tmp_path):
    path = holes(tmp_path / "m.safetensors", 8192)
    process = start("inspect", path.name, folder=tmp_path)
    try:
        while not has_open(process, path):
            time.sleep(0.001)
        os.truncate(path, 100)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (2, b"")
    found = one_error(err.decode())
    assert (found["where"], found["code"]) == (path.name, "RD003")


def limited(kind: int, size: int):
    """For a process that may not go beyond it."""
    return lambda: resource.setrlimit(kind, (size, size))


@row(60)
def test_an_output_that_cannot_be_written(tmp_path, in_process, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for target in ("nowhere/report.txt", "."):
        for command in COMMANDS:
            ran = in_process(command, GOOD, *BRIEF[command], "-o", target)
            expect_error(ran, "RD008", "cannot be written", target)
    assert list(tmp_path.iterdir()) == []


@row(60)
def test_a_disk_that_is_full_leaves_the_old_report(tmp_path, in_process):
    """A limit on the size of a file fails in the midst of the writing, as a full disk does."""
    (tmp_path / "r.json").write_text("old")
    arguments = ("bptt-trace", GOOD, "--format", "json", "-o", tmp_path / "r.json")
    ran = rnndiag(*arguments, before=limited(resource.RLIMIT_FSIZE, 1000))
    expect_error(ran, "RD008", "r.json cannot be written")
    assert (tmp_path / "r.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]
    assert in_process(*arguments).returncode == 0
    assert len((tmp_path / "r.json").read_text()) > 1000


@row(60)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_full_device(in_process):
    with Path("/dev/full").open("w") as full:
        for arguments in (("check", GOOD, *QUICK, "--fail-on", "never"), ("--help",)):
            ran = rnndiag(*arguments, stdout=full)
            expect_error(ran, "RD008", "stdout cannot be written: No space left on device")
        # Nobody can be told, but 1 would mean findings.
        assert rnndiag("check", "missing", stderr=full).returncode == 2
    ran = in_process("spectrum", GOOD, "-o", "/dev/full")
    expect_error(ran, "RD008", "/dev/full cannot be written: no space left on device")


TWICE = b"checkpoint = 'a'\ncheckpoint = 'b'\n"
CONFIGURATIONS = [
    (61, "rnndiag.toml", b"checkpoint = ", ("rnndiag.toml cannot be read", "at end of document")),
    (61, "rnndiag.toml", TWICE, ("rnndiag.toml cannot be read", "line 2")),
    (61, "rnndiag.toml", b"\xff\xfe", ("rnndiag.toml cannot be read", "position 0")),
    (61, "rnndiag.toml", b"checkpoint = 3", ("checkpoint in rnndiag.toml is no string",)),
    (61, "rnndiag.toml", b"chekpoint = 'm.pt'", ("chekpoint in rnndiag.toml", ": checkpoint")),
    (61, "pyproject.toml", b"[tool.rnndiag", ("pyproject.toml cannot be read",)),
    (
        61,
        "pyproject.toml",
        b"[tool.rnndiag]\nbach = 1",
        ("tool.rnndiag.bach in pyproject.toml", ": batch"),
    ),
    (61, "pyproject.toml", b"[tool]\nrnndiag = 3", ("tool.rnndiag in pyproject.toml is no table",)),
]


@cases(CONFIGURATIONS)
def test_a_bad_configuration(tmp_path, monkeypatch, in_process, case, as_process):
    _, name, content, words = case
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNNDIAG_CHECKPOINT", raising=False)
    Path(name).write_bytes(content)
    if as_process:
        expect_error(rnndiag("check", folder=tmp_path), "RD007", *words)
    for command in COMMANDS:
        expect_error(in_process(command), "RD007", *words)


@row(62)
def test_out_of_memory(tmp_path):
    """Reading the matrix takes all the memory there may be; a long trace more than the rest."""
    path = holes(tmp_path / "m.safetensors", 8192)
    before = limited(resource.RLIMIT_AS, 450 << 20)
    ran = rnndiag("spectrum", path.name, folder=tmp_path, before=before)
    expect_error(ran, "RD004", f"needs {4 * 4 * 8192**2} bytes of memory", where=path.name)
    ran = rnndiag("bptt-trace", GOOD, "--seq-len", 1_000_000, "--batch", 4, before=before)
    expect_error(ran, "RD004", "out of memory", "MiB")


@row(62)
def test_out_of_memory_for_one_file_alone(tmp_path):
    ran = rnndiag("check", "big.pt", GOOD, *QUICK, folder=tmp_path, **sabotaged(tmp_path, "big.pt"))
    assert ran.returncode == 2
    found = one_error(ran.stderr)
    assert (found["where"], found["code"]) == ("big.pt", "RD004")
    assert "12. GiB" in found["what"]
    assert "files 1, " in ran.stdout


@row(63)
def test_ctrl_c_exits_130_quietly():
    process = start("bptt-trace", FIXTURES / "char_rnn.pt", "--seq-len", 300000, "--batch", 1)
    time.sleep(1.5)
    assert process.poll() is None, "it was faster than the test expects"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"")


@row(63)
@pytest.mark.parametrize(
    "arguments", [("bptt-trace", GOOD, "--format", "json"), ("--help",)], ids=["trace", "help"]
)
def test_a_closed_pipe_exits_141_quietly(arguments):
    with start(*arguments) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@row(64)
def test_the_same_file_twice_is_one_result(tmp_path):
    (tmp_path / "runs").mkdir()
    path = save(tmp_path / "runs" / "m.pt", nn.GRU(3, 4))
    (tmp_path / "hard.pt").hardlink_to(path)
    (tmp_path / "soft.pt").symlink_to(path)
    names = ("runs", "runs/", "runs/m.pt", "./runs//m.pt", "hard.pt", "soft.pt", path)
    ran = rnndiag("check", *names, *QUICK, "--format", "json", folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(json.loads(ran.stdout)["files"]) == 1


def test_every_row_of_the_table_has_a_test():
    here = sys.modules[__name__]
    tested = rows_of(here, test_bad_inputs_files, test_bad_inputs_networks, test_bad_inputs_weights)
    assert tested == ROWS
