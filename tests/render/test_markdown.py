"""Markdown: read by a CommonMark parser, nothing but what was meant, short enough for a comment."""

from __future__ import annotations

import html
import itertools
import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from render.reports import (
    ALL,
    COMMANDS,
    EMPTY,
    NASTY,
    baseline_report,
    difference,
    fixture_file,
    fixture_report,
    gate_report,
    measured,
    named,
    nasty_report,
)
from torch import nn

from rnndiag.baseline import Comparison
from rnndiag.escape import printable
from rnndiag.render import Screen, renderer
from rnndiag.render.markdown import ROOM
from rnndiag.render.markdown.escape import code, fenced, text
from rnndiag.report import Report
from rnndiag.rules import Standing

render = renderer("markdown")
PARSER = MarkdownIt("gfm-like", {"linkify": False})
TAG = re.compile(r"<(?!!--)/?([a-z0-9]+)([^>]*)>")
MEANT = {"details", "summary", "code", "strong", "table", "thead", "tbody", "tr", "th", "td"}
MEANT |= {"ul", "li", "p", "pre", "h3"}


def page(report: Report) -> str:
    """As a browser gets it."""
    return PARSER.render(render(report, Screen()))


def checked(shown: str) -> str:
    """The page, with no element, attribute or link that the renderer did not mean."""
    for tag, attributes in TAG.findall(shown):
        assert tag in MEANT, tag
        assert attributes in {"", " open", ' class="language-python"'}, attributes
    assert "<a " not in shown
    assert "<img" not in shown
    return shown


@pytest.mark.parametrize(("command", "name"), ALL)
def test_every_command_has_its_page(command, name):
    report = fixture_report(command, name)
    shown = checked(page(report))
    assert f"rnndiag {command}</h3>" in shown
    if command != "check":
        assert shown.count("<details open>") == shown.count("</details>") == 1
        assert report.files[0].result.layers[0].layer.label in html.unescape(shown)
    if command == "suggest":
        assert "clip_grad_norm_" in shown
        assert '<code class="language-python">' in shown


def test_a_gate_shows_the_serious_first_and_folds_the_rest_away():
    shown = checked(page(gate_report()))
    assert "<strong>no-verdict</strong>" in shown
    cells = re.findall(r"<tr>\n<td>(?:<strong>)?(no verdict|error|warning|note)", shown)
    assert [kind for kind, _ in itertools.groupby(cells)] == [
        "no verdict",
        "error",
        "warning",
        "note",
    ]
    assert shown.count("<details>") == shown.count("</details>") == 3
    assert "1 file skipped" in shown
    assert "clip gradients by norm" in shown


def test_a_comparison_has_a_column_for_each_file():
    shown = checked(page(difference()))
    assert "<th>1</th>\n<th>2</th>\n<th>change</th>" in shown
    assert "<td>1</td>\n<td><code>old.pt</code></td>" in shown
    assert "spectral radius of W_hh" in shown


def test_nothing_checked_is_said():
    assert "nothing was checked" in page(EMPTY)


def test_clean_files_are_counted_not_shown():
    file = replace(fixture_file("char_rnn.pt"), findings=())
    shown = page(Report("check", {}, (file,)))
    assert "files 1" in shown
    assert "<details>" not in shown


def test_many_layers_are_rows(tmp_path):
    path = named(tmp_path / "m.pt", "x", nn.LSTM(3, 4, num_layers=3, bidirectional=True))
    file = replace(measured(path), findings=())
    shown = checked(page(Report("spectrum", {}, (file,))))
    assert shown.count("<tr>") == 7


def test_thousands_of_findings_fit_in_a_comment():
    finding = gate_report().files[0].findings[0]
    file = replace(fixture_file("delayed_recall_gru.pt"), findings=(finding,) * 3)
    files = tuple(replace(file, path=f"runs/{n}/model.pt") for n in range(1000))
    shown = render(Report("check", {}, files, (), "error"), Screen())
    assert ROOM / 2 < len(shown) < 65_536
    assert "and 2900 more" in shown
    assert re.search(r"and \d+ files more", shown)
    checked(PARSER.render(shown))


@pytest.mark.parametrize("accepted", [False, True])
def test_long_names_fit_in_a_comment(accepted):
    """Of a name as long as one may be, each character may be written as six."""
    finding = replace(gate_report().files[0].findings[0], layer="|" * 1000, standing=None)
    baseline = None
    if accepted:
        finding = replace(finding, standing=Standing("accepted", finding.value))
        baseline = Comparison("base.json", 0.1)
    file = replace(fixture_file("delayed_recall_gru.pt"), findings=(finding,))
    files = tuple(replace(file, path=f"runs/{n}/model.pt") for n in range(50))
    shown = render(Report("check", {}, files, (), "error", baseline=baseline), Screen())
    assert len(shown) < 65_536
    assert f"and {50 - shown.count('<tr>') - shown.count('| RD')} more" in shown
    checked(PARSER.render(shown))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", NASTY)
def test_names_are_harmless(command, name):
    report = replace(nasty_report(name), command=command)
    assert all(c.isprintable() or c == "\n" for c in render(report, Screen()))
    shown = checked(page(report))
    plain = html.unescape(re.sub(r"<!-- -->|</?code>", "", shown))
    # A browser shows it as it is, blanks aside.
    assert f"it says {printable(name)}" in plain
    rows = [line for line in render(report, Screen()).splitlines() if line.startswith("| **")]
    assert all(line.count(" | ") == 4 for line in rows)


@pytest.mark.parametrize("name", NASTY)
def test_escaped_text_is_only_text_wherever_it_stands(name):
    for source in (text(name), f"- {text(name)}", f"x {text(name)} y", f"**{text(name)}**"):
        inner = PARSER.render(source)
        assert not {tag for tag, _ in TAG.findall(inner)} - {"p", "ul", "li", "strong"}
    # Nothing that a mention, an address or an emoji begins with.
    assert not re.search(r"@\w|://|www\.|:\w+:", text(name))
    assert "<script" not in PARSER.render(code(name))


def test_a_fence_is_longer_than_any_in_the_code():
    assert fenced("a\n```\nb", "python").startswith("````python\n")


def test_what_a_baseline_accepts_is_folded_away():
    shown = checked(page(baseline_report()))
    table, _, rest = shown.partition("<details>")
    assert re.findall(r"<td>(RD\d+)</td>", table) == ["RD003", "RD301", "RD102"]
    assert "worse than accepted" in table
    accepted, _, rest = rest.partition("</details>")
    assert "<summary>3 findings accepted in <code>base.json</code></summary>" in accepted
    assert re.findall(r"<td>(RD\d+)</td>", accepted) == ["RD304", "RD302", "RD402"]
    stale, _, rest = rest.partition("</details>")
    assert "stale in the baseline: 1 finding" in stale
    assert "RD103" in stale
    # Remedies are for what is not accepted.
    assert "RD102 in" in rest
    assert "RD402 in" not in rest


@pytest.mark.parametrize("name", NASTY)
def test_a_baselines_names_are_harmless(name):
    checked(page(baseline_report(name)))
