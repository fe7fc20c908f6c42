"""CSV: the curves as they were measured, read back by other readers."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from render.reports import NASTY, fixture_file, fixture_report, measured, named
from torch import nn

from rnndiag.render import Screen, renderer
from rnndiag.report import Report

render = renderer("csv")


def rows(report):
    return list(csv.DictReader(io.StringIO(render(report, Screen())), strict=True))


@pytest.mark.parametrize("name", ["char_rnn.pt", "delayed_recall_lstm.pt"])
def test_every_lag_of_every_drive_is_a_row(name):
    (item,) = fixture_file(name).result.layers
    found = rows(fixture_report("bptt-trace", name))
    assert len(found) == 31 * len(item.trace.drives)
    for drive in item.trace.drives:
        mine = [row for row in found if row["drive"] == drive.drive]
        assert [int(row["lag"]) for row in mine] == list(range(31))
        norms = [float(row["log10_gradient_norm"]) for row in mine]
        assert norms == pytest.approx(drive.log10_gradient_norm, rel=1e-11)
        share = [row["parameter_gradient_share"] for row in mine]
        # The last lag is the initial state's, where W_hh is not used any more.
        assert share.pop() == ""
        assert list(map(float, share)) == pytest.approx(drive.parameter_gradient_share, rel=1e-11)
        has_cell = drive.log10_cell_gradient_norm is not None
        assert all(bool(row["log10_cell_gradient_norm"]) is has_cell for row in mine)
        assert all(bool(row["textbook_log10"]) is not has_cell for row in mine)


def test_numpy_reads_it():
    text = render(fixture_report("bptt-trace"), Screen())
    table = np.genfromtxt(
        io.StringIO(text), delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
    assert table["lag"].max() == 30
    assert table["log10_gradient_norm"].dtype == float


def test_layers_and_directions_are_told_apart(tmp_path):
    path = named(tmp_path / "m.pt", "x", nn.LSTM(3, 4, num_layers=2, bidirectional=True))
    found = rows(Report("bptt-trace", {}, (measured(path),)))
    assert {(row["name"], row["layer"], row["direction"]) for row in found} == {
        ("x", layer, direction) for layer in "01" for direction in ("forward", "reverse")
    }


def test_a_gradient_that_is_zero_is_minus_infinity():
    file = fixture_file("char_rnn.pt")
    (item,) = file.result.layers
    gone = np.append(0.0, np.full(30, -np.inf))
    drive = replace(item.trace.drives[0], log10_gradient_norm=gone)
    layer = replace(item, trace=replace(item.trace, drives=(drive,)))
    file = replace(file, result=replace(file.result, layers=(layer,)))
    found = rows(Report("bptt-trace", {}, (file,)))
    assert [float(row["log10_gradient_norm"]) for row in found] == list(gone)


def test_without_a_trace_the_header_stands_alone(tmp_path):
    file = measured(tmp_path / "missing.pt")
    assert render(Report("bptt-trace", {}, (file,)), Screen()).count("\n") == 1


@pytest.mark.parametrize("name", NASTY)
def test_names_are_harmless(name):
    file = replace(fixture_file("delayed_recall_gru.pt"), path=name)
    text = render(Report("bptt-trace", {}, (file,)), Screen())
    assert all(c.isprintable() or c == "\n" for c in text)
    found = rows(Report("bptt-trace", {}, (file,)))
    assert not any(row["path"].startswith(("=", "+", "-", "@")) for row in found)
    if name.isprintable() and "::" not in name:
        assert found[0]["path"] in {name, f"'{name}"}
