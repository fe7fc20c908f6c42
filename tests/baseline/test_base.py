"""What an accepted finding covers, and what paths in a baseline mean."""

from __future__ import annotations

import math

import pytest

from rnndiag.baseline import TOLERANCE, Accepted, Baseline
from rnndiag.rules import RULES, Degree, Finding

HIGHER, LOWER = Degree("size"), Degree("size", worse="lower")


def finding(value, degree=HIGHER):
    return Finding("RD301", "error", "l", "m", "r", {"size": value}, degree)


@pytest.mark.parametrize(
    ("degree", "accepted", "now", "covered"),
    [
        (HIGHER, 2.0, 2.0, True),
        (HIGHER, 2.0, 1e-9, True),
        (HIGHER, 2.0, 2.2, True),
        (HIGHER, 2.0, 2.20001, False),
        (HIGHER, -2.0, -1.8, True),
        (HIGHER, -2.0, -1.79999, False),
        (HIGHER, 0.0, 1e-9, False),
        (LOWER, 100, 90, True),
        (LOWER, 100, 89, False),
        (LOWER, 100, 1e9, True),
        (LOWER, -5.0, -5.5, True),
        (LOWER, -5.0, -5.50001, False),
        (LOWER, -math.inf, -math.inf, True),
        (LOWER, -math.inf, -3.0, True),
        (LOWER, -3.0, -math.inf, False),
        (LOWER, math.inf, 1.0, False),
        (HIGHER, math.inf, math.inf, True),
        (HIGHER, 1.0, math.inf, False),
        (HIGHER, -math.inf, 0.0, False),
    ],
)
def test_no_worse_than_a_tenth_of_the_accepted_value(degree, accepted, now, covered):
    assert Accepted("size", float(accepted)).covers(finding(now, degree), 0.1) is covered


def test_no_tolerance_still_covers_the_same_as_it_is_shown():
    shown = finding(1.0 / 3.0).value
    assert shown == 0.333333
    assert Accepted("size", shown).covers(finding(1.0 / 3.0 + 1e-9), 0.0)
    assert not Accepted("size", shown).covers(finding(0.333335), 0.0)


def test_what_has_no_number_is_accepted_as_it_is():
    assert Accepted().covers(finding(5, None), 0.0)
    assert finding(5, None).value is None


def test_what_cannot_be_compared_is_worse():
    """Another measure, of an older rule; a number that is there on one side alone."""
    assert not Accepted("length", 5.0).covers(finding(1.0), 0.1)
    assert not Accepted().covers(finding(1.0), 0.1)
    assert not Accepted("size", None).covers(finding(1.0), 0.1)
    assert not Accepted("size", 1.0).covers(finding(None), 0.1)
    assert Accepted("size", None).covers(finding(None), 0.1)


def test_a_baseline_of_nothing_covers_nothing():
    assert Baseline("b.json").entries == {}


@pytest.mark.parametrize(
    ("baseline", "path", "stands"),
    [
        ("b.json", "runs/a.pt", "runs/a.pt"),
        ("./ci/../b.json", "runs/a.pt", "runs/a.pt"),
        ("runs/b.json", "runs/a.pt", "a.pt"),
        ("ci/b.json", "runs/a.pt", "../runs/a.pt"),
        ("../b.json", "runs/a.pt", "here/runs/a.pt"),
        ("b.json", "", "."),
    ],
)
def test_paths_are_relative_to_the_baseline(tmp_path, monkeypatch, baseline, path, stands):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert Baseline(baseline).relative(path) == stands
    assert Baseline(str(tmp_path / "here" / baseline)).relative(path) == stands


def test_another_systems_separator_is_a_slash(monkeypatch):
    monkeypatch.setattr("os.path.relpath", lambda path, start: "runs\\a.pt")
    monkeypatch.setattr("os.sep", "\\")
    assert Baseline("b.json").relative("runs\\a.pt") == "runs/a.pt"


def test_rules_say_which_way_they_get_worse():
    """By the number that each threshold or message is about; the others are there or not."""
    found = {rule.code: (rule.degree.key, rule.degree.worse) for rule in RULES if rule.degree}
    assert found == {
        "RD103": ("zero_rows", "higher"),
        "RD106": ("median_share", "lower"),
        "RD107": ("largest_row", "lower"),
        "RD201": ("steps_to_1e3", "lower"),
        "RD203": ("transient_growth", "higher"),
        "RD204": ("eigenvalue_uncertainty", "higher"),
        "RD301": ("lag_of_growth", "lower"),
        "RD302": ("horizon", "lower"),
        "RD303": ("lag_of_growth", "lower"),
        "RD304": ("lyapunov", "higher"),
        "RD305": ("dead_cells", "higher"),
        "RD307": ("horizon_float16", "lower"),
        "RD402": ("log10_ratio", "lower"),
    }


def test_the_tolerance_is_the_options_default():
    from rnndiag.cli.accepting import Accepting

    assert Accepting().baseline_tolerance == TOLERANCE
