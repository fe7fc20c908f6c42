"""Pictures: what they show, hostile names, the same bytes twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from cli.command import FIXTURES
from render.reports import HOSTILE, measured, named

from rnndiag.advice import AdviceRequest, advise
from rnndiag.comparison import compare
from rnndiag.plots import FORMATS, PLOTS, draw
from rnndiag.plots import diff as diff_plot
from rnndiag.plots import spectrum as spectrum_plot
from rnndiag.plots import suggest as suggest_plot
from rnndiag.plots import trace as trace_plot
from rnndiag.report import Report

MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def report(command, *paths):
    files = tuple(measured(path) for path in paths or [FIXTURES / "delayed_recall_lstm.pt"] * 2)
    comparison = compare([file.result for file in files]) if command == "diff" else ()
    shown = files if command == "diff" else files[:1]
    return Report(command, {}, shown, comparison=comparison)


DRAWN = [name for name in PLOTS if name != "suggest"]
TWICE = [
    # Every command and every format once; the other pairs repeat them.
    pytest.param(
        command, kind, marks=() if (row - column) % len(FORMATS) == 0 else pytest.mark.exhaustive
    )
    for row, command in enumerate(DRAWN)
    for column, kind in enumerate(FORMATS)
]


@pytest.mark.parametrize(("command", "kind"), TWICE)
def test_every_picture_is_the_same_twice(command, kind):
    made = report(command)
    picture = draw(made, f"x.{kind}")
    assert picture.startswith(MAGIC[kind])
    assert picture == draw(made, f"x.{kind}")


def test_eigenvalues_stand_where_they_are():
    made = report("spectrum", FIXTURES / "char_rnn.pt")
    (axes,) = spectrum_plot.figure(made).axes
    block = made.files[0].result.layers[0].spectrum.blocks[0]
    drawn = axes.lines[0].get_xydata()
    np.testing.assert_array_equal(drawn[:, 0] + 1j * drawn[:, 1], block.eigenvalues)
    radii = sorted(patch.radius for patch in axes.patches)
    np.testing.assert_allclose(radii, sorted([1.0, block.gain]))


def test_the_quoted_curve_is_drawn():
    made = report("bptt-trace")
    (axes,) = trace_plot.figure(made).axes
    shown = made.files[0].result.layers[0].trace.headline
    (line,) = [line for line in axes.lines if line.get_label().endswith("(band: 90 %)")]
    np.testing.assert_array_equal(line.get_ydata(), shown.log10_gradient_norm)


def test_a_hostile_name_is_text(tmp_path):
    made = report("bptt-trace", named(tmp_path / "$x^2$.pt", "<script>$\\frac{1}$" + HOSTILE))
    text = draw(made, "x.svg").decode()
    assert "<script>" not in text
    assert "\x1b" not in text


def advised(norms):
    file = measured(FIXTURES / "delayed_recall_lstm.pt")
    advice = advise(file.result, AdviceRequest(logged_norms=norms))
    return Report("suggest", {}, (replace(file, advice=advice),))


def test_norms_are_drawn_beside_the_value_that_clips_them():
    norms = [0.5, 2.0, *[1.0] * 30]
    made = advised(norms)
    bias, drawn = suggest_plot.figure(made).axes
    assert bias.get_title("left").endswith("cost of truncation")
    points, value = drawn.lines
    np.testing.assert_array_equal(points.get_ydata(), norms)
    np.testing.assert_array_equal(value.get_ydata(), [made.files[0].advice.clipping.max_norm] * 2)


@pytest.mark.parametrize("norms", [(), [0.0, 0.0]])
def test_without_norms_only_the_bias_is_drawn(norms):
    (axes,) = suggest_plot.figure(advised(norms)).axes
    assert axes.get_title("left").endswith("cost of truncation")


def test_a_recurrence_of_zeros_has_no_bias_to_draw(tmp_path):
    module = torch.nn.RNN(3, 4).requires_grad_(False)
    module.weight_hh_l0.zero_()
    made = Report("suggest", {}, (measured(named(tmp_path / "m.pt", "rnn", module)),))
    (axes,) = suggest_plot.figure(made).axes
    low, high = axes.get_ylim()
    assert low < made.files[0].advice.truncation.bias < high


@pytest.mark.parametrize(("seq_len", "in_sight"), [(2, False), (100, True)])
def test_a_level_out_of_sight_is_not_in_the_legend(seq_len, in_sight):
    file = measured(FIXTURES / "delayed_recall_lstm.pt", seq_len=seq_len)
    (axes,) = trace_plot.figure(Report("bptt-trace", {}, (file,))).axes
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert ("a thousandth" in names) == in_sight


def test_a_long_name_leaves_the_picture_its_room(tmp_path):
    """The panel of a name of 300 characters is as wide as that of a short one."""
    widths, module = [], torch.nn.GRU(3, 4)
    for prefix in ("rnn", "a" * 300):
        path = named(tmp_path / "m.pt", prefix, module)
        figure = trace_plot.figure(report("bptt-trace", path))
        figure.draw_without_rendering()
        (axes,) = figure.axes
        widths.append(axes.get_position().width)
        assert axes.get_title("left").endswith("/0/forward")
    assert widths[0] == widths[1]


def test_a_gradient_of_which_nothing_is_left_is_said_to_be(tmp_path):
    module = torch.nn.RNN(3, 4).requires_grad_(False)
    module.weight_hh_l0.zero_()
    (axes,) = trace_plot.figure(report("bptt-trace", named(tmp_path / "m.pt", "r", module))).axes
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "nothing left from lag 1 on" in names
    assert not any(name.startswith("half-life") for name in names)


def test_the_title_of_a_comparison_says_which_file_is_which():
    title = diff_plot.figure(report("diff")).get_suptitle()
    assert title.endswith("1: delayed_recall_lstm.pt\n2: delayed_recall_lstm.pt")
    many = [FIXTURES / "delayed_recall_lstm.pt"] * 6
    assert (
        "1: delayed_recall_lstm.pt\n…\n6: "
        in diff_plot.figure(report("diff", *many)).get_suptitle()
    )
