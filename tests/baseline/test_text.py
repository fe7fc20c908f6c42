"""A baseline's file: the same bytes for the same findings, and nothing in it believed unread."""

from __future__ import annotations

import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from render.reports import NASTY

from rnndiag.baseline import Accepted, Baseline, Key, baseline_text, parse_baseline, read_baseline
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.rules import RULES

ENTRIES = {
    Key("b.pt", "rnn/0/forward", "RD301"): Accepted("rate_per_step", 0.125),
    Key("b.pt", "(optimizer)", "RD401"): Accepted(),
    Key("a.pt", "rnn/0/forward", "RD302"): Accepted("horizon", 12.0),
    Key("a.pt", "rnn/0/forward", "RD402"): Accepted("log10_ratio", -math.inf),
    Key("a.pt", "rnn/0/forward", "RD304"): Accepted("rate_per_step", None),
}

TEXT = """{
 "rnndiag_baseline": 1,
 "accepted": [
  {"path": "a.pt", "layer": "rnn/0/forward", "code": "RD302", "measure": "horizon", "value": 12},
  {"path": "a.pt", "layer": "rnn/0/forward", "code": "RD304", "measure": "rate_per_step", "value": null},
  {"path": "a.pt", "layer": "rnn/0/forward", "code": "RD402", "measure": "log10_ratio", "value": "-inf"},
  {"path": "b.pt", "layer": "(optimizer)", "code": "RD401"},
  {"path": "b.pt", "layer": "rnn/0/forward", "code": "RD301", "measure": "rate_per_step", "value": 0.125}
 ]
}
"""  # noqa: E501 - as it stands in the file, where an entry is a line


def test_it_is_sorted_with_an_entry_a_line():
    assert baseline_text(Baseline("x", ENTRIES)) == TEXT
    backwards = dict(reversed(ENTRIES.items()))
    assert baseline_text(Baseline("elsewhere", backwards)) == TEXT


def test_it_reads_what_it_wrote():
    assert parse_baseline(TEXT, "x") == Baseline("x", ENTRIES)
    empty = baseline_text(Baseline("x"))
    assert json.loads(empty)["accepted"] == []
    assert parse_baseline(empty, "x") == Baseline("x")


@given(
    st.dictionaries(
        st.builds(
            Key,
            st.text(st.characters(exclude_characters="/."), min_size=1),
            st.sampled_from(NASTY) | st.text(),
            st.sampled_from([rule.code for rule in RULES]),
        ),
        st.just(Accepted())
        | st.builds(Accepted, st.text(), st.none() | st.floats(allow_nan=False)),
    )
)
def test_any_names_and_numbers_come_back(entries):
    """Lone surrogates, as in a path that is no text, among them."""
    text = baseline_text(Baseline("x", entries))
    assert text.isascii()
    assert len(text.splitlines()) == 5 + len(entries)
    assert parse_baseline(text, "x").entries == entries


def test_paths_written_by_hand_are_brought_into_form():
    text = TEXT.replace('"a.pt"', '"./runs/../a.pt"')
    assert parse_baseline(text, "x").entries == ENTRIES


ENTRY = {"path": "a", "layer": "l", "code": "RD301"}


def holding(*entries, **more):
    return json.dumps({"rnndiag_baseline": 1, "accepted": list(entries), **more})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "x is no baseline: Expecting value: line 1"),
        (TEXT[:200], "x is no baseline: .* line 5"),
        ("<<<<<<< HEAD\n" + TEXT, "x is no baseline: .* line 1"),
        ("[" * 100_000, "x is no baseline"),
        ("[]", "x is no baseline of rnndiag; write one with --write-baseline"),
        ("3", "no baseline of rnndiag"),
        ("{}", "no baseline of rnndiag"),
        ('{"accepted": []}', "no baseline of rnndiag"),
        ('{"rnndiag_baseline": "1", "accepted": []}', "no baseline of rnndiag"),
        ('{"rnndiag_baseline": true, "accepted": []}', "no baseline of rnndiag"),
        ('{"rnndiag_baseline": 0, "accepted": []}', "no baseline of rnndiag"),
        (
            '{"rnndiag_baseline": 2, "entries": 3}',
            "x was written by a later rnndiag: baseline version 2, not 1; upgrade",
        ),
        ('{"rnndiag_baseline": 1}', "x has no list of accepted findings"),
        (holding(3), "x: entry 1 does not say path, layer and code"),
        (holding(ENTRY, {"path": "a"}), "x: entry 2 does not say"),
        (holding(ENTRY | {"layer": None}), "entry 1 does not say"),
        (holding(ENTRY, ENTRY), "x: entry 2 is there twice"),
        (holding(ENTRY, ENTRY | {"path": "./a"}), "x: entry 2 is there twice"),
        (holding(ENTRY | {"code": "RD003"}), "entry 1: RD003 is no rule's code; .* only rules'"),
        (holding(ENTRY | {"code": "RD999"}), "RD999 is no rule's code"),
        (holding(ENTRY | {"measure": 3}), "entry 1: measure is no text"),
        (holding(ENTRY | {"value": "much"}), "entry 1: value is no number"),
        (holding(ENTRY | {"value": True}), "entry 1: value is no number"),
        (holding(ENTRY | {"value": [1]}), "entry 1: value is no number"),
        (holding(ENTRY | {"value": 10**400}), "entry 1: value is too large"),
        (holding(ENTRY | {"value": math.nan}), "x is no baseline: NaN is no JSON"),
        (holding(ENTRY | {"value": math.inf}), "x is no baseline: Infinity is no JSON"),
    ],
)
def test_what_is_none_is_refused_with_its_place(text, words):
    with pytest.raises(RnndiagError, match=words) as refused:
        parse_baseline(text, "x")
    assert refused.value.code is InputCode.USAGE
    assert "\n" not in str(refused.value)


def test_keys_of_a_later_minor_version_are_no_matter():
    assert parse_baseline(holding(ENTRY | {"why": "known"}, by="me"), "x").entries == {
        Key("a", "l", "RD301"): Accepted()
    }


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "missing.json", "cannot be read: no such file or directory; write one with"),
        (tmp_path, "cannot be read: is a directory"),
        (tmp_path / "pipe", "is a named pipe; save its contents to a file first"),
    ):
        with pytest.raises(RnndiagError, match=words):
            read_baseline(str(path))
    (tmp_path / "b.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(RnndiagError, match="is no text"):
        read_baseline(str(tmp_path / "b.json"))
    with pytest.raises(RnndiagError, match="cannot be read"):
        read_baseline("a\0b")
