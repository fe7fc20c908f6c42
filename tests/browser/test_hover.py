"""The pointer and the arrow keys: what is said are the JSON's numbers."""

from __future__ import annotations

import math

import pytest
from browser.browsing import expect_value, frame, hover, picture, readout, six
from selenium.webdriver.common.keys import Keys

from rnndiag.rounding import power_of_ten


@pytest.mark.parametrize("name", ["rnn", "lstm"])
@pytest.mark.parametrize("part", [0.0, 0.31, 1.0])
def test_hovering_over_a_curve_says_the_jsons_numbers(browser, opened, name, part):
    (file,) = opened(name)
    trace = file["layers"][0]["trace"]
    svg = picture(browser, "curves")
    left, top, width, height = frame(svg)
    hover(browser, svg, left + part * width, top + height / 2)
    said = readout(svg)
    lag = int(said.split()[0])
    assert abs(lag - part * trace["seq_len"]) <= 1
    drive = next(d for d in trace["drives"] if f", {d['drive']} input" in said)
    assert drive["deciding"]
    expect_value(said, "h", drive["log10_gradient_norm"][lag])
    if drive["log10_cell_gradient_norm"] is not None:
        expect_value(said, "c", drive["log10_cell_gradient_norm"][lag])
    if trace["textbook_log10"] is not None:
        expect_value(said, "textbook", trace["textbook_log10"][lag])
    low, high = drive["log10_p05"][lag], drive["log10_p95"][lag]
    assert f"nine of ten samples {power_of_ten(low)} to {power_of_ten(high)}" in said


def test_arrow_keys_do_what_the_pointer_does(browser, opened):
    (file,) = opened("lstm")
    svg = picture(browser, "curves")
    svg.send_keys(Keys.END)
    assert readout(svg).startswith("200 steps back")
    svg.send_keys(Keys.HOME)
    assert readout(svg).startswith("0 steps back")
    svg.send_keys(Keys.ARROW_RIGHT)
    assert readout(svg).startswith("1 step back")
    plane = picture(browser, "plane")
    plane.send_keys(Keys.ARROW_RIGHT)
    real, imaginary = file["layers"][0]["spectrum"]["jacobian"]["eigenvalues"][0]
    assert f"modulus {six(math.hypot(real, imaginary)):g}" in readout(plane)
    assert "grows" in readout(plane)


def test_hovering_over_an_eigenvalue_names_it(browser, opened):
    (file,) = opened("rnn")
    spectrum = file["layers"][0]["spectrum"]
    svg = picture(browser, "plane")
    left, top, width, height = frame(svg)
    low, high, bottom, ceiling = map(float, svg.get_attribute("data-range").split())
    for whose, values in (
        ("W_hh", spectrum["blocks"][0]["eigenvalues"]),
        ("step Jacobian", spectrum["jacobian"]["eigenvalues"]),
    ):
        real, imaginary = values[0]
        x = left + (real - low) / (high - low) * width
        y = top + (ceiling - imaginary) / (ceiling - bottom) * height
        hover(browser, svg, x, y)
        said = readout(svg)
        assert said.startswith(f"{whose}, eigenvalue {six(real):g}")
        assert f"modulus {six(math.hypot(real, imaginary)):g}" in said
