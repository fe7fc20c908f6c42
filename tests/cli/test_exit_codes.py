"""0 clean, 1 findings, 2 no verdict, 130 Ctrl-C, 141 closed pipe; one line for each error."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from cli.command import COMMAND, FIXTURES, one_error, rnndiag, save, scaled_rnn, start
from containers.builders import torch_legacy, torch_zip
from safetensors.numpy import save_file
from torch import nn

from rnndiag.cli import run

GOOD = FIXTURES / "delayed_recall_gru.pt"
EXPLODING = FIXTURES / "exploding_rnn.pt"
RELU = ("--as", "weight_hh_l0=rnn:relu")


def expect_error(ran, code: str, *words: str, where: str | None = None) -> None:
    """Exit 2, one error line, and nothing among the data."""
    assert ran.returncode == 2, ran
    found = one_error(ran.stderr)
    assert found["code"] == code, ran.stderr
    for word in words:
        assert word in ran.stderr
    if where is not None:
        assert found["where"] == where
    assert ran.stdout == ""


@pytest.fixture
def in_process(capsys):
    """The same without a new process, for the many cases that need none."""

    def call(*arguments: object):
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return call


# 0 and 1


@pytest.mark.parametrize("command", ["inspect", "spectrum", "bptt-trace", "suggest", "check"])
def test_a_clean_file_exits_0(in_process, command):
    ran = in_process(command, GOOD)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_check_fails_on_an_exploding_relu_network(tmp_path, bias):
    save(tmp_path / "m.pt", scaled_rnn(1.6, bias=bias, nonlinearity="relu"))
    ran = rnndiag("check", "m.pt", *RELU, folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "RD301 error" in ran.stdout


def test_check_fails_on_nan_weights(tmp_path):
    module = scaled_rnn(0.5)
    with torch.no_grad():
        module.weight_hh_l0[1, 2] = float("nan")
    save(tmp_path / "m.pt", module)
    ran = rnndiag("check", "m.pt", folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "RD101 error 1 recurrent weight is NaN" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("bptt-trace", EXPLODING), 0),
        (("bptt-trace", EXPLODING, "--fail-on", "error"), 1),
        (("suggest", EXPLODING, "--fail-on", "error"), 1),
        (("spectrum", EXPLODING, "--fail-on", "warning"), 0),
        (("check", EXPLODING, "--fail-on", "never"), 0),
        (("check", GOOD, "--seq-len", 200), 0),
        (("check", GOOD, "--seq-len", 200, "--fail-on", "warning"), 1),
        (("check", GOOD, "--seq-len", 200, "--fail-on", "warning", "--format", "json"), 1),
        (("check", GOOD, "--seq-len", 200, "--fail-on", "warning", "--format", "table"), 1),
    ],
)
def test_fail_on_decides_between_0_and_1(in_process, arguments, code):
    ran = in_process(*arguments)
    assert (ran.returncode, ran.stderr) == (code, "")


# 2: usage


@pytest.mark.parametrize(
    "arguments", [("check",), ("spectrum", "--fail-on", "error"), ("suggest", "--fail-on=warning")]
)
def test_a_gate_never_falls_back_to_the_sample(tmp_path, arguments):
    expect_error(rnndiag(*arguments, folder=tmp_path), "RD007", "no checkpoint given")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--unknown",), ["--unknown"]),
        (("--seq-len", "0"), ["--seq-len", "1"]),
        (("--seq-len", "-1"), ["--seq-len", "1"]),
        (("--seq-len", "text"), ["--seq-len", "integer"]),
        (("--seq-len", "1000000000"), ["1000000000", "GiB of memory"]),
        (("--batch", "0"), ["--batch"]),
        (("--format", "xml"), ["--format", "xml", "concise"]),
        (("--input", "missing.npy"), ["missing.npy", "embedding"]),
        (("--initial-state", "missing.npz"), ["missing.npz"]),
        (("--cotangent", "missing.npy"), ["missing.npy"]),
        (("--as", "nonsense"), ["nonsense", "NAME=CELL"]),
        (("--as", "nowhere=rnn"), ["nowhere", "rnn.weight_hh_l0"]),
        (("--layer", "nothing"), ["nothing", "model_state_dict.rnn"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_usage_errors_name_what_is_wrong(in_process, option, words):
    expect_error(in_process("bptt-trace", GOOD, *option), "RD007", *words)


ARRAYS = {
    "wrong-width": (np.zeros((20, 2, 7)), "7 features"),
    "two-dimensions": (np.zeros((20, 2)), "(20, 2)"),
    "nan": (np.full((20, 2, 2), np.nan), "not finite"),
    "text": (np.full((20, 2, 2), "x"), "dtype"),
    "complex": (np.ones((20, 2, 2), complex), "dtype"),
    "empty": (np.zeros((0, 2, 2)), "(0, 2, 2)"),
    "pickled-objects": (np.full((2, 2, 2), None), "not a readable"),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_input_files_that_do_not_fit(tmp_path, in_process, kind):
    array, word = ARRAYS[kind]
    np.save(tmp_path / "given.npy", array, allow_pickle=True)
    ran = in_process("bptt-trace", GOOD, "--input", tmp_path / "given.npy")
    expect_error(ran, "RD007", word)


@pytest.mark.parametrize(
    ("option", "shape"), [("--initial-state", (1, 8, 31)), ("--cotangent", (1, 8, 31))]
)
def test_states_and_cotangents_that_do_not_fit(tmp_path, in_process, option, shape):
    np.save(tmp_path / "given.npy", np.ones(shape))
    ran = in_process("bptt-trace", GOOD, option, tmp_path / "given.npy")
    expect_error(ran, "RD007", "(1, 8, 31)", "(1, 8, 32)")


def test_an_input_shorter_than_seq_len(tmp_path, in_process):
    np.save(tmp_path / "given.npy", np.zeros((20, 2, 2)))
    ran = in_process("bptt-trace", GOOD, "--input", tmp_path / "given.npy", "--seq-len", 21)
    expect_error(ran, "RD007", "21", "20")


# 2: files


def cut(source: Path, target: Path, part: float) -> None:
    data = source.read_bytes()
    target.write_bytes(data[: int(part * len(data))])


def make_bad(folder: Path, kind: str) -> Path:
    path = folder / "bad.pt"
    torch.manual_seed(0)
    whole = folder / "whole.bin"
    if kind == "empty":
        path.touch()
    elif kind == "directory":
        path.mkdir()
    elif kind == "web page":
        path.write_text("<!DOCTYPE html><html><title>404</title></html>")
    elif kind == "random bytes":
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    elif kind == "cut zip":
        cut(GOOD, path, 0.5)
    elif kind == "cut legacy":
        state = nn.GRU(4, 64).state_dict()
        torch.save(state, whole, _use_new_zipfile_serialization=False)
        cut(whole, path, 0.7)
    elif kind == "cut safetensors":
        save_file({"rnn.weight_hh_l0": np.zeros((64, 64), "f4")}, whole)
        cut(whole, path, 0.7)
    elif kind == "no recurrence":
        save(path, nn.Sequential(nn.Linear(3, 9), nn.Linear(9, 2)))
    elif kind == "only an optimizer":
        module = nn.GRU(3, 4)
        optimizer = torch.optim.Adam(module.parameters())
        module(torch.ones(2, 1, 3))[0].sum().backward()
        optimizer.step()
        torch.save(optimizer.state_dict(), path)
    return path


BAD = {
    "missing": ("RD001", "no such file"),
    "empty": ("RD003", "empty"),
    "directory": ("RD001", "directory"),
    "web page": ("RD002", "web page"),
    "random bytes": ("RD002", "not a checkpoint"),
    "cut zip": ("RD003", "truncated"),
    "cut legacy": ("RD003", "truncated"),
    "cut safetensors": ("RD003", "truncated"),
    "no recurrence": ("RD006", "0.weight"),
    "only an optimizer": ("RD006", "optimizer"),
}


@pytest.mark.parametrize("kind", BAD)
def test_files_without_a_verdict(tmp_path, monkeypatch, in_process, kind):
    monkeypatch.chdir(tmp_path)
    make_bad(tmp_path, kind)
    code, word = BAD[kind]
    ran = in_process("spectrum", "bad.pt")
    expect_error(ran, code, word, where="bad.pt")


class Payload:
    """Unpickled by anything that trusts it, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("container", ["zip", "legacy", "plain"])
def test_a_hostile_pickle_is_never_run(tmp_path, container):
    marker = tmp_path / "ran"
    pickled = pickle.dumps({"rnn.weight_hh_l0": Payload(marker)}, 2)
    if container == "zip":
        path = torch_zip(tmp_path, pickled)
    elif container == "legacy":
        path = torch_legacy(tmp_path, pickled, {})
    else:
        path = str(tmp_path / "plain.pkl")
        Path(path).write_bytes(pickled)
    name = Path(path).name
    for command in ("inspect", "check"):
        ran = rnndiag(command, name, folder=tmp_path)
        assert ran.returncode == 2
        assert one_error(ran.stderr)["where"] == name
        assert not marker.exists()
    pickle.loads(pickled)
    assert marker.exists(), "the payload is harmless, so the test shows nothing"


def test_the_installed_command_says_the_same(tmp_path):
    make_bad(tmp_path, "cut zip")
    ran = rnndiag("spectrum", "bad.pt", folder=tmp_path)
    expect_error(ran, "RD003", "truncated", where="bad.pt")
    expect_error(rnndiag("spectrum", "--seq-len", "1"), "RD007", "--seq-len")


def test_one_bad_file_hides_no_finding_of_another(tmp_path):
    make_bad(tmp_path, "empty")
    ran = rnndiag("check", EXPLODING, "bad.pt", folder=tmp_path)
    assert ran.returncode == 2
    assert one_error(ran.stderr)["where"] == "bad.pt"
    assert "RD301 error" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("no-verdict: files 1, errors 1")


def test_a_folder_without_checkpoints_gives_no_verdict(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "README.md").write_text("words")
    ran = rnndiag("check", "sub", folder=tmp_path)
    assert ran.returncode == 2
    assert one_error(ran.stderr)["code"] == "RD006"
    assert "sub/README.md: skipped: a text file" in ran.stdout


@pytest.mark.parametrize("command", ["spectrum", "check"])
def test_an_empty_name_is_a_missing_file_and_not_the_sample(tmp_path, command):
    ran = rnndiag(command, "", folder=tmp_path)
    assert ran.returncode == 2
    assert one_error(ran.stderr)["code"] == "RD001"


# Output


def test_an_output_that_cannot_be_written(tmp_path):
    for target in ("nowhere/report.txt", "."):
        ran = rnndiag("spectrum", GOOD, "-o", target, folder=tmp_path)
        expect_error(ran, "RD008", "cannot be written", target)
    assert list(tmp_path.iterdir()) == []


def test_output_goes_to_the_file_alone_and_follows_links(tmp_path):
    (tmp_path / "link").symlink_to("target")
    ran = rnndiag("spectrum", GOOD, "-o", "link", folder=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == rnndiag("spectrum", GOOD).stdout


def test_output_to_a_pipe_is_written_to_it_and_does_not_replace_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with start("spectrum", GOOD, "-o", "pipe", folder=tmp_path) as process:
        assert b"norm_n=" in (tmp_path / "pipe").read_bytes()
    assert process.returncode == 0
    assert (tmp_path / "pipe").is_fifo()


# 130 and 141


def test_ctrl_c_exits_130_quietly():
    process = start("bptt-trace", FIXTURES / "char_rnn.pt", "--seq-len", 300000, "--batch", 1)
    time.sleep(1.5)
    assert process.poll() is None, "it was faster than the test expects"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"")


@pytest.mark.parametrize(
    "arguments", [("bptt-trace", GOOD, "--format", "json"), ("--help",)], ids=["trace", "help"]
)
def test_a_closed_pipe_exits_141_quietly(arguments):
    with start(*arguments) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_closed_streams_put_nothing_in_the_wrong_place():
    for arguments, redirected in (("spectrum nowhere", "2>&-"), (f"spectrum '{GOOD}'", ">&-")):
        script = f"'{COMMAND}' {arguments} {redirected}"
        ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        assert ran.returncode == 2
        assert ran.stdout == ""
        if redirected == ">&-":
            assert one_error(ran.stderr)["code"] == "RD008"
