"""Both pictures: every number lies where a reader with a ruler expects it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from render.html.parsed import parsed
from render.reports import fixture_file

from rnndiag.render.html.curves import curves
from rnndiag.render.html.plane import plane

LSTM, RNN = "delayed_recall_lstm.pt", "char_rnn.pt"
TENTH = 0.0501
"""Coordinates are written to a tenth."""


def item(name):
    return fixture_file(name).result.layers[0]


def drawn(trace, lags):
    return parsed(curves(trace, lags, 0, 0).write()).one("svg", role="img")


def points(path):
    return np.array(
        [[float(n) for n in p.split(",")] for p in re.findall(r"-?[\d.]+,-?[\d.]+", path)]
    )


def placed(svg, xs, ys):
    """Where numbers belong, from what the picture says of its frame and range."""
    _, _, width, height = map(float, svg.attributes["data-frame"].split())
    left, right, bottom, top = map(float, svg.attributes["data-range"].split())
    return np.column_stack(
        [
            (np.asarray(xs) - left) / (right - left) * width,
            (top - np.asarray(ys)) / (top - bottom) * height,
        ]
    )


@pytest.mark.parametrize("name", [LSTM, RNN])
def test_every_curve_lies_at_its_values(name):
    trace = item(name).trace
    lags = range(trace.seq_len + 1)
    svg = drawn(trace, lags)
    groups = [g for g in svg.all("g") if "data-drive" in g.attributes]
    assert len(groups) == len(trace.drives)
    for group, drive in zip(groups, trace.drives, strict=True):
        found = points(group.one("path", **{"class": "hidden-state"}).attributes["d"])
        wanted = placed(svg, lags, drive.log10_gradient_norm)
        np.testing.assert_allclose(found, wanted, atol=TENTH)
        assert ("chosen" in group.attributes["class"]) == (drive is trace.headline)
        cells = group.all("path", **{"class": "cell"})
        assert len(cells) == (drive.log10_cell_gradient_norm is not None)
        for cell in cells:
            wanted = placed(svg, lags, drive.log10_cell_gradient_norm)
            np.testing.assert_allclose(points(cell.attributes["d"]), wanted, atol=TENTH)
        band = points(group.one("path", **{"class": "band"}).attributes["d"])
        np.testing.assert_allclose(
            band[: len(lags)], placed(svg, lags, drive.log10_p95), atol=TENTH
        )


def test_horizons_and_half_life_are_marked():
    trace = item(RNN).trace
    svg = drawn(trace, range(trace.seq_len + 1))
    decay = trace.headline.decay
    group = svg.one("g", **{"data-drive": str(trace.drives.index(trace.headline))})
    circles = group.all("circle", **{"class": "horizon"})
    horizons = [(lag, -e) for e, lag in enumerate(decay.horizons, 1) if lag is not None and lag > 0]
    assert horizons
    found = [[float(c.attributes["cx"]), float(c.attributes["cy"])] for c in circles]
    np.testing.assert_allclose(found, placed(svg, *zip(*horizons, strict=True)), atol=TENTH)
    assert f"half-life {decay.half_life:.4g}" in svg.text


def test_what_is_not_finite_leaves_a_gap():
    trace = item(RNN).trace
    curve = trace.headline.log10_gradient_norm.copy()
    curve[10:20] = -np.inf
    drive = replace(
        trace.headline, log10_gradient_norm=curve, log10_p05=np.full_like(curve, -np.inf)
    )
    svg = drawn(replace(trace, drives=(drive,)), range(len(curve)))
    path = svg.one("path", **{"class": "hidden-state"}).attributes["d"]
    assert path.count("M") == 2
    assert len(points(path)) == len(curve) - 10
    assert "inf" not in curves(trace, range(5), 0, 0).write()


def test_an_overflow_ends_the_curve_early():
    trace = item(RNN).trace
    short = replace(
        trace.headline,
        log10_gradient_norm=trace.headline.log10_gradient_norm[:6],
        log10_p05=trace.headline.log10_p05[:6],
        log10_p95=trace.headline.log10_p95[:6],
    )
    svg = drawn(replace(trace, drives=(short,)), range(trace.seq_len + 1))
    assert len(points(svg.one("path", **{"class": "hidden-state"}).attributes["d"])) == 6


def test_eigenvalues_circle_and_disc_are_to_scale():
    spectrum = item(RNN).spectrum
    svg = parsed(plane(spectrum, 1000, 0, 0).write()).one("svg", role="img")
    for name, values in (
        ("own", spectrum.blocks[0].eigenvalues),
        ("jacobian", spectrum.settling.jacobian.eigenvalues),
    ):
        path = svg.one("path", **{"class": name}).attributes["d"]
        found = points("".join(re.findall(r"M[^hm]*", path)))
        np.testing.assert_allclose(found, placed(svg, values.real, values.imag), atol=TENTH)
    unit = placed(svg, [0.0, 1.0], [0.0, 0.0])
    for name, radius in (("unit", 1.0), ("disc", spectrum.blocks[0].gain)):
        circle = svg.one("circle", **{"class": name}).attributes
        assert float(circle["r"]) == pytest.approx(radius * (unit[1, 0] - unit[0, 0]), abs=TENTH)
        assert [float(circle["cx"]), float(circle["cy"])] == pytest.approx(
            unit[0].tolist(), abs=TENTH
        )


def test_a_gates_blocks_are_not_drawn():
    svg = parsed(plane(item(LSTM).spectrum, 1000, 0, 0).write())
    assert not svg.all("path", **{"class": "own"})
    assert not svg.all("circle", **{"class": "disc"})
    assert svg.all("path", **{"class": "jacobian"})


def test_the_largest_eigenvalues_stay_where_there_are_too_many():
    spectrum = item(RNN).spectrum
    svg = parsed(plane(spectrum, 5, 0, 0).write()).one("svg", role="img")
    own = spectrum.blocks[0].eigenvalues
    found = points(svg.one("path", **{"class": "own"}).attributes["d"])
    np.testing.assert_allclose(found, placed(svg, own.real[:5], own.imag[:5]), atol=TENTH)
