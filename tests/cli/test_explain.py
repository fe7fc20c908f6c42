"""`rnndiag explain`, and prose on a narrow terminal: broken between words; in a pipe, as it is."""

from __future__ import annotations

import pytest
from cli.command import rnndiag
from terminal import in_terminal, plain, run_in_terminal

from rnndiag.rules import RULES


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_page_fits_its_terminal(columns):
    code, shown = run_in_terminal(["explain", "RD402"], columns)
    lines = plain(shown).splitlines()
    assert code == 0
    assert max(map(len, lines)) <= columns
    (rule,) = [rule for rule in RULES if rule.code == "RD402"]
    assert set(rule.documentation.split()) <= set(plain(shown).split())


def test_an_error_is_broken_between_words_and_one_line_in_a_pipe(tmp_path):
    path = tmp_path / "a name.pt"
    whole = rnndiag("inspect", path).stderr
    code, shown = run_in_terminal(["inspect", str(path)], 60)
    assert code == 2
    assert len(whole.splitlines()) == 1
    assert plain(shown).split() == whole.split()


def test_the_beginning_of_codes_lists_them_all():
    codes = [rule.code for rule in RULES if rule.code.startswith("RD30")]
    assert rnndiag("explain", "rd30").stderr == (
        f"rnndiag: RD007 no rule 'rd30'; there are {', '.join(codes)}\n"
    )


def test_a_notice_fits_the_terminal_when_the_data_goes_elsewhere():
    """Stdout is a pipe then, and tells no width."""
    _, shown = in_terminal(["sh", "-c", "rnndiag inspect | cat > /dev/null"], columns=50)
    lines = plain(shown).splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 50
