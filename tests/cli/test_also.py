"""`--also`: one measuring, the same report in several formats."""

from __future__ import annotations

import json

import pytest
from cli.command import FIXTURES, expect_error

EXPLODING = FIXTURES / "exploding_rnn.pt"
GOOD = FIXTURES / "delayed_recall_gru.pt"


@pytest.mark.parametrize("name", ["json", "sarif", "junit", "markdown", "concise", "github"])
def test_a_file_has_what_the_format_alone_writes(tmp_path, in_process, name):
    alone, besides = tmp_path / "alone", tmp_path / "besides"
    named = ("check", EXPLODING, GOOD, "--seq-len", 100)
    code = in_process(*named, "--format", name, "-o", alone).returncode
    ran = in_process(*named, "--also", f"{name}={besides}")
    assert ran.returncode == code == 1
    assert besides.read_bytes() == alone.read_bytes()
    # What is shown is as without it.
    assert ran.stdout == in_process(*named).stdout


@pytest.mark.parametrize("command", ["inspect", "spectrum", "bptt-trace", "suggest"])
def test_every_command_takes_several(tmp_path, in_process, command):
    further = ("--also", f"json={tmp_path / 'a=b.json'}", "--also", f"table={tmp_path / 'c'}")
    ran = in_process(command, GOOD, "-o", tmp_path / "shown", *further)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert json.loads((tmp_path / "a=b.json").read_text())["command"] == command
    assert "delayed_recall_gru.pt" in (tmp_path / "c").read_text()
    assert "delayed_recall_gru.pt" in (tmp_path / "shown").read_text()


@pytest.mark.parametrize("given", ["json", "json=", "=out", "xml=out", "", "json out"])
def test_what_is_no_format_and_file(in_process, given):
    expect_error(in_process("check", GOOD, "--also", given), "RD007", "FORMAT=FILE")


def test_a_format_of_another_command(in_process):
    expect_error(in_process("check", GOOD, "--also", "csv=out"), "RD007", "bptt-trace", "sarif")
    expect_error(in_process("spectrum", GOOD, "--also", "sarif=out"), "RD007", "--also sarif")


def test_two_reports_do_not_go_to_one_file(tmp_path, in_process):
    file = tmp_path / "out"
    for other in (("--also", f"sarif={file}"), ("-o", file)):
        expect_error(in_process("check", GOOD, "--also", f"json={file}", *other), "RD007", "two")
    assert not file.exists()


def test_a_file_that_cannot_be_written_is_no_verdict(tmp_path, in_process):
    ran = in_process("check", GOOD, "--also", f"sarif={tmp_path / 'nowhere' / 'out'}")
    expect_error(ran, "RD008", "cannot be written", "nowhere")
