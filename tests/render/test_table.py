"""The terminal's format: fits its width, cuts nothing, colours only where there is a terminal."""

from __future__ import annotations

import json
import re

import pytest
from cli.command import FIXTURES, rnndiag
from render.reports import ALL, COMMANDS, HOSTILE, fixture_file, fixture_report, measured, named
from terminal import run_in_terminal
from torch import nn

from rnndiag.cli import run
from rnndiag.render import FORMATS, Screen, renderer
from rnndiag.report import Report

render = renderer("table")
CODE = "    "


def lines(report: Report, width: int, **options: bool) -> list[str]:
    return render(report, Screen(width, **options)).splitlines()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(("command", "name"), ALL)
def test_no_line_is_wider_than_the_screen(command, name, width):
    for line in lines(fixture_report(command, name), width):
        # Code to paste is never wrapped.
        assert len(line) <= width or line.startswith(CODE), line


@pytest.mark.parametrize("name", ["char_rnn.pt", "exploding_rnn.pt", "delayed_recall_lstm.pt"])
def test_nothing_is_cut_at_80_columns(name):
    """Every cell of the trace's tables stands at 80 as at 300 columns."""
    file = measured(FIXTURES / name, seq_len=200)
    report = Report("bptt-trace", {}, (file,))
    headline = file.result.layers[0].trace.headline
    narrow, wide = lines(report, 80), lines(report, 300)
    tables = [line.split() for line in wide if line.startswith(" ") and "│" not in line]
    shown = [line.split() for line in narrow]
    for cells in tables[: tables.index(["under", headline.drive, "input"])]:
        # Rules and headings are as wide as their columns.
        if not set("".join(cells)) <= {"─"}:
            assert cells in shown


def test_many_layers_get_a_row_each(tmp_path):
    path = named(tmp_path / "m.pt", "encoder", nn.LSTM(3, 4, num_layers=3, bidirectional=True))
    file = measured(path)
    for command in ("spectrum", "bptt-trace"):
        shown = "\n".join(lines(Report(command, {}, (file,)), 80))
        for item in file.result.layers:
            assert item.layer.label in shown
        assert "--layer" in shown


def test_a_long_name_is_broken_between_words(tmp_path):
    path = named(tmp_path / "m.pt", "model.encoder.en_convs.2.gru", nn.LSTM(3, 4, 3))
    file = measured(path)
    words = {"model", "encoder", "en_convs", "2", "gru", "0", "1", "forward"}
    text = render(Report("inspect", {}, (file,)), Screen(70))
    table = text.split("─\n")[1].split("\n\n")[0]
    names = [line[:16].split()[0] for line in table.splitlines()]
    assert len(names) > len(file.result.layers)
    assert {word for name in names for word in re.split(r"[./]", name) if word} == words


def test_a_rule_that_fires_in_many_layers_takes_one_line(tmp_path):
    path = named(tmp_path / "m.pt", "encoder", nn.RNN(3, 4, num_layers=6))
    file = measured(path, seq_len=200)
    assert [one.code for one in file.findings].count("RD302") == 6
    shown = lines(Report("bptt-trace", {}, (file,)), 100)
    (line,) = [line for line in shown if line.startswith("RD302")]
    assert line == "RD302 note in 6 layers: vanishing gradient; rnndiag explain RD302"


@pytest.mark.parametrize("width", [40, 80])
def test_code_to_paste_is_not_broken(width):
    file = measured(FIXTURES / "delayed_recall_gru.pt", seq_len=200)
    text = render(Report("suggest", {}, (file,)), Screen(width))
    (change,) = file.advice.changes
    lines = [*file.advice.snippets["torch"].splitlines(), *change.code.splitlines()]
    assert max(map(len, lines)) > width
    for line in lines:
        assert f"\n{CODE}{line}\n" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_colour_only_repeats_what_words_say(command):
    report = Report(command, {}, (measured(FIXTURES / "exploding_rnn.pt", seq_len=200),))
    plain, coloured = render(report, Screen(100)), render(report, Screen(100, color=True))
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert without_colour(coloured) == plain


def without_colour(text: str) -> str:
    from terminal import plain

    return plain(text)


@pytest.mark.parametrize("command", COMMANDS)
def test_hostile_names_are_harmless(tmp_path, command):
    file = measured(named(tmp_path / "m.pt", HOSTILE), f"{HOSTILE}.pt")
    text = render(Report(command, {}, (file,)), Screen(80))
    assert all(c.isprintable() or c == "\n" for c in text)
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert "##[" not in text
    # Rich's own markup is text here.
    assert "[red]" in text.replace("\n", "")


@pytest.mark.parametrize(("command", "name"), ALL)
def test_ascii_where_the_screen_has_no_unicode(command, name):
    assert render(fixture_report(command, name), Screen(80, unicode=False)).isascii()


# Through the command line


@pytest.mark.parametrize("name", FORMATS)
def test_ascii_breaks_no_format(tmp_path, name):
    path = named(tmp_path / "Größe.pt", "größe_λ")
    offered = FORMATS[name].commands
    command = next(one for one in ("bptt-trace", "check", "report") if one in offered)
    ran = rnndiag(command, path, "--format", name, "-o", "-", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stderr) == (0, ""), ran
    assert ran.stdout.isascii()
    assert any(spelled in ran.stdout for spelled in ("gr\\xf6", "gr\\u00f6", "gr&#246;"))


def test_symbols_are_spelled_where_the_encoding_has_none():
    ran = rnndiag("explain", "RD301", PYTHONIOENCODING="latin-1")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "phi reaches a thousand" in " ".join(ran.stdout.split())


def in_terminal(**environment: str) -> str:
    code, shown = run_in_terminal(
        ["bptt-trace", str(FIXTURES / "exploding_rnn.pt")], 80, **environment
    )
    assert code == 0
    return shown


def test_a_terminal_gets_a_table_with_colours_and_a_picture():
    shown = in_terminal()
    assert "\x1b[" in shown
    assert "⠉" in shown
    assert "rate/step" in shown


def test_no_color_and_dumb_terminals():
    assert "\x1b" not in in_terminal(NO_COLOR="1")
    assert "\x1b" in in_terminal(NO_COLOR="")
    dumb = in_terminal(TERM="dumb")
    assert "\x1b" not in dumb
    assert dumb.isascii()


def test_a_pipe_gets_concise_text_and_colours_only_when_forced():
    path = FIXTURES / "char_rnn.pt"
    plain = rnndiag("spectrum", path, "--select", "RD1")
    assert plain.stdout.count("\n") == 1
    table = rnndiag("spectrum", path, "--format", "table")
    assert "\x1b" not in table.stdout
    assert "\x1b[" in rnndiag("spectrum", path, "--format", "table", FORCE_COLOR="1").stdout
    both = rnndiag("spectrum", path, "--format", "table", FORCE_COLOR="1", NO_COLOR="1")
    assert both.stdout == table.stdout


def test_the_verdict_never_depends_on_the_format(capsys):
    for name, made in FORMATS.items():
        if "check" in made.commands:
            assert run(["check", str(FIXTURES / "exploding_rnn.pt"), "--format", name]) == 1
            shown = capsys.readouterr().out
            assert "RD301" in shown
            if name == "json":
                verdict = json.loads(shown)["verdict"]
                assert verdict == {"status": "findings", "exit_code": 1}


def test_inspect_asks_whether_a_recurrence_was_ever_trained():
    """Only of the fixture that was trained on sequences of length 1."""
    asked = "still lies as it was drawn"
    for name, expected in (("length_one_rnn.pt", True), ("char_rnn.pt", False)):
        text = render(Report("inspect", {}, (fixture_file(name),)), Screen(200))
        assert (asked in text) is expected
