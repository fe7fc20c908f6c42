"""The bar: silent for what is quick, on stderr for what is not, and gone in the end."""

from __future__ import annotations

from rnndiag.render import progress


def run_bar():
    bar = progress.Bar()
    bar.expect(10)
    for _ in range(10):
        bar.advance(1)
    bar.close()


def test_quick_work_shows_nothing(capsys):
    run_bar()
    assert tuple(capsys.readouterr()) == ("", "")


def test_slow_work_shows_a_bar_on_stderr(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    run_bar()
    said = capsys.readouterr()
    assert said.out == ""
    assert "tracing gradients" in said.err
    assert "100%" in said.err
