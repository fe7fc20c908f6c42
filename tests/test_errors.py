"""The one error type, and what the command line makes of anything else."""

from __future__ import annotations

import pytest

from rnndiag import cli
from rnndiag.cli import app as application
from rnndiag.cli import run
from rnndiag.errors import MOST_CHARACTERS, InputCode, RnndiagError


def test_an_error_says_what_and_what_to_do():
    error = RnndiagError(InputCode.DAMAGED, "the file is empty", "download it again")
    assert str(error) == "RD003 the file is empty; download it again"
    assert (error.code, error.what, error.remedy) == (
        InputCode.DAMAGED,
        "the file is empty",
        "download it again",
    )


def test_a_name_in_an_error_cannot_fill_the_screen():
    error = RnndiagError(InputCode.DAMAGED, f"its record {'k' * 9_000_000} is missing", "try again")
    assert len(error.what) == MOST_CHARACTERS
    assert error.what.startswith("its record kkk")
    assert error.what.endswith("kkk is missing")


def raising(error: BaseException):
    def call(*_: object, **__: object):
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ZeroDivisionError("x\ny"), 2, "RD009 internal error: ZeroDivisionError: x\\ny; report it"),
        (MemoryError(), 2, "RD004 out of memory; free some memory, or take a shorter --seq-len"),
        (RnndiagError(InputCode.UNSUPPORTED, "a\x1b[0m", "b"), 2, "RD005 a\\x1b[0m; b"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(1), 141, ""),
        (SystemExit(0), 0, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_nothing_that_goes_wrong_reads_as_findings(monkeypatch, capsys, error, code, words):
    monkeypatch.delenv("RNNDIAG_DEBUG", raising=False)
    monkeypatch.setattr(application, "app", raising(error))
    assert run(["spectrum"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == (1 if words else 0)
    assert words in said.err


def test_debug_shows_the_traceback(monkeypatch, capsys):
    monkeypatch.setenv("RNNDIAG_DEBUG", "1")
    monkeypatch.setattr(application, "app", raising(ZeroDivisionError("x")))
    assert run(["spectrum"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_main_exits_with_the_code(monkeypatch):
    monkeypatch.setattr("sys.argv", ["rnndiag", "explain", "nothing"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
