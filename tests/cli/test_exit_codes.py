"""0 clean, 1 findings, 2 no verdict; one line for each error; and where the output goes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from cli.command import (
    COMMAND,
    FIXTURES,
    expect_error,
    one_error,
    rnndiag,
    save,
    scaled_rnn,
    start,
)
from cli.sabotage import sabotaged

GOOD = FIXTURES / "delayed_recall_gru.pt"
EXPLODING = FIXTURES / "exploding_rnn.pt"
RELU = ("--as", "weight_hh_l0=rnn:relu")


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


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("bptt-trace", EXPLODING), 0),
        (("bptt-trace", EXPLODING, "--fail-on", "error"), 1),
        (("suggest", EXPLODING, "--fail-on", "error"), 1),
        (("spectrum", EXPLODING, "--fail-on", "warning"), 0),
        (("check", EXPLODING, "--fail-on", "never"), 0),
        (("check", GOOD, "--seq-len", 200), 0),
        (("check", GOOD, "--seq-len", 200, "--fail-on", "warning"), 0),
        (("check", GOOD, "--memory", 200, "--fail-on", "warning"), 1),
        (("check", GOOD, "--memory", 200, "--fail-on", "warning", "--format", "json"), 1),
        (("check", GOOD, "--memory", 200, "--fail-on", "warning", "--format", "table"), 1),
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
    "nan": (np.full((20, 2, 2), np.nan), ".npy holds values that are not finite"),
    "no-samples": (np.zeros((20, 0, 2)), "three dimensions are needed, none of them empty"),
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


def test_the_installed_command_refuses_an_option_that_is_another_commands():
    expect_error(rnndiag("spectrum", "--seq-len", "1"), "RD007", "--seq-len")


def test_one_bad_file_hides_no_finding_of_another(tmp_path):
    (tmp_path / "bad.pt").touch()
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


# 2: a defect, a report that cannot be written; 130; 141


@pytest.mark.parametrize("command", ["inspect", "spectrum", "bptt-trace", "suggest", "check"])
def test_a_defect_says_how_to_report_it(tmp_path, command):
    harm = sabotaged(tmp_path, "defect.pt")
    ran = rnndiag(command, "defect.pt", folder=tmp_path, **harm)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "rnndiag: RD009 internal error: ValueError: no such thing; report it with the output of "
        "RNNDIAG_DEBUG=1, it is a defect of rnndiag\n"
    )


def test_a_batch_of_good_and_bad_files_gives_everyone_its_due(tmp_path):
    """Findings, notes and errors stand beside one another, and 2 beats 1."""
    (tmp_path / "empty.pt").touch()
    (tmp_path / "page.pt").write_text("<!doctype html>")
    torch.save({"w": torch.ones(2, 3)}, tmp_path / "mlp.pt")
    named = ("empty.pt", "page.pt", "mlp.pt", "missing.pt", EXPLODING, GOOD)
    ran = rnndiag("check", *named, folder=tmp_path)
    assert ran.returncode == 2
    codes = [line.split(": ")[1][:5] for line in ran.stderr.splitlines()]
    assert codes == ["RD003", "RD001", "RD006", "RD002"]
    assert "RD301 error" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("no-verdict: files 2, errors 1, ")
    assert "unreadable 4" in ran.stdout


@pytest.mark.parametrize("target", ["nowhere/report.sarif", "."])
def test_a_gates_report_that_cannot_be_written(tmp_path, target):
    ran = rnndiag("check", EXPLODING, "--format", "sarif", "-o", target, folder=tmp_path)
    expect_error(ran, "RD008", "cannot be written", target)


def test_a_gate_whose_pipe_is_closed():
    with start("check", EXPLODING, "--format", "sarif") as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def wait_until_numpy_is_loaded(pid: int) -> None:
    """However busy the machine: before its first line the command cannot hear Ctrl-C."""
    maps = Path(f"/proc/{pid}/maps")
    deadline = time.monotonic() + (30 if maps.exists() else 1)
    while time.monotonic() < deadline and not (maps.exists() and "umath" in maps.read_text()):
        time.sleep(0.05)


def test_ctrl_c_in_a_gate_of_one_file():
    process = start("check", EXPLODING, "--seq-len", 300000, "--batch", 1)
    wait_until_numpy_is_loaded(process.pid)
    time.sleep(0.5)
    assert process.poll() is None, "it was faster than the test expects"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"")


# Output


def test_output_goes_to_the_file_alone_and_follows_links(tmp_path):
    (tmp_path / "link").symlink_to("target")
    ran = rnndiag("spectrum", GOOD, "-o", "link", folder=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == rnndiag("spectrum", GOOD, folder=tmp_path).stdout


def test_output_to_a_pipe_is_written_to_it_and_does_not_replace_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    # Opened without waiting for a writer: a command that fails first must not hang the tests.
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert rnndiag("spectrum", GOOD, "-o", "pipe", folder=tmp_path).returncode == 0
        assert b"norm_n=" in os.read(reader, 1 << 16)
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="there is no such name for stdout")
def test_output_to_what_is_called_stdout(tmp_path):
    shown = rnndiag("spectrum", GOOD, folder=tmp_path).stdout
    assert rnndiag("spectrum", GOOD, "-o", "/dev/stdout", folder=tmp_path).stdout == shown


def test_closed_streams_put_nothing_in_the_wrong_place():
    for arguments, redirected in (("spectrum nowhere", "2>&-"), (f"spectrum '{GOOD}'", ">&-")):
        script = f"'{COMMAND}' {arguments} {redirected}"
        ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        assert ran.returncode == 2
        assert ran.stdout == ""
        if redirected == ">&-":
            assert one_error(ran.stderr)["code"] == "RD008"


@pytest.mark.parametrize(
    "output",
    [("-o", "m.pt"), ("--also", "json=./m.pt"), ("-o", "link.pt"), ("--also", "sarif=mlp.pt")],
)
def test_a_report_never_replaces_what_it_tells_of(tmp_path, output):
    """An option's file forgotten, and the trained network is gone."""
    (tmp_path / "m.pt").write_bytes(GOOD.read_bytes())
    (tmp_path / "link.pt").symlink_to("m.pt")
    torch.save({"w": torch.ones(2, 3)}, tmp_path / "mlp.pt")
    before = (tmp_path / "mlp.pt").read_bytes()
    ran = rnndiag("check", ".", *output, folder=tmp_path)
    assert ran.returncode == 2
    found = one_error(ran.stderr)
    assert (found["code"], found["remedy"]) == ("RD008", "choose another file")
    assert (tmp_path / "m.pt").read_bytes() == GOOD.read_bytes()
    assert (tmp_path / "mlp.pt").read_bytes() == before


def test_a_report_replaces_that_of_an_earlier_call(tmp_path):
    (tmp_path / "m.pt").write_bytes(GOOD.read_bytes())
    for _ in range(2):
        ran = rnndiag("check", ".", "-o", "gate.json", "--format", "json", folder=tmp_path)
        assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("script", ["'{}' check . > gate.txt", "'{}' check . | tee gate.txt"])
def test_a_report_that_a_shell_puts_into_the_folder(tmp_path, script):
    """It is there, and empty, before the folder is looked through."""
    (tmp_path / "m.pt").write_bytes(GOOD.read_bytes())
    (tmp_path / "gate.txt").touch()
    ran = subprocess.run(
        ["sh", "-c", script.format(COMMAND)], cwd=tmp_path, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert "clean: files 1" in (tmp_path / "gate.txt").read_text()


@pytest.mark.parametrize("option", [("--exit-zero",), ("--fail-on", "never")])
def test_why_findings_do_not_fail_is_said(in_process, option):
    for name in ("concise", "table", "github"):
        ran = in_process("check", EXPLODING, *option, "--format", name)
        assert ran.returncode == 0
        assert f"skipped 0; exit code 0 by {' '.join(option)}" in " ".join(ran.stdout.split())
    assert "exit code" not in in_process("check", GOOD, *option).stdout


CTRL_C = """
import os, signal, time, weakref
import rnndiag.report as report

analyse = report.analyse

def interrupted(checkpoint, *arguments, **options):
    def strike(_=None):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    if "{way}" == "dropped":
        thing = type("Thing", (), {{}})()
        reference = weakref.ref(thing, strike)
        del thing
        return analyse(checkpoint, *arguments, **options)
    try:
        strike()
    except KeyboardInterrupt:
        raise ImportError("numpy.core.multiarray failed to import")

report.analyse = interrupted
"""


@pytest.mark.parametrize("way", ["dropped", "made-an-error"])
def test_a_ctrl_c_that_python_loses_is_one_all_the_same(tmp_path, way):
    """In a callback of the import machinery it came to exit 0, in C code that imports to 2."""
    (tmp_path / "sitecustomize.py").write_text(CTRL_C.format(way=way))
    process = start("check", GOOD, "--seq-len", 20, PYTHONPATH=str(tmp_path))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"RD009" not in err
