"""The canvas and the two pictures: known points at known places, and no input that breaks them."""

from __future__ import annotations

import numpy as np
import pytest

from rnndiag.render.canvas import BRAILLE, Canvas
from rnndiag.render.pictures import INSIDE, OUTSIDE, complex_plane, gradient_curve


def test_ascii_dots_lie_where_they_are_put():
    canvas = Canvas(5, 3, unicode=False)
    canvas.dot(0.0, 0.0)
    canvas.dot(1.0, 1.0)
    canvas.dot(0.5, 0.5)
    assert canvas.lines() == ["    .", "  .", "."]


def test_braille_bits_of_the_four_corners():
    canvas = Canvas(1, 1, unicode=True)
    for x, y, bit in ((0, 1, 0x01), (1, 1, 0x08), (0, 0, 0x40), (1, 0, 0x80)):
        single = Canvas(1, 1, unicode=True)
        single.dot(x, y)
        assert single.lines() == [chr(BRAILLE + bit)]
        canvas.dot(x, y)
    assert canvas.lines() == [chr(BRAILLE + 0x01 + 0x08 + 0x40 + 0x80)]


def test_markers_lie_above_dots_and_outside_is_nothing():
    canvas = Canvas(3, 3, unicode=True)
    canvas.line((0.0, 0.5), (1.0, 0.5))
    canvas.marker(0.5, 0.5, "x")
    canvas.marker(5.0, 0.5, "y")
    canvas.dot(-1.0, 0.5)
    assert canvas.lines()[1][1] == "x"
    assert canvas.lines()[0] == canvas.lines()[2] == ""


@pytest.mark.parametrize("unicode", [True, False])
def test_eigenvalues_and_the_unit_circle(unicode):
    lines = complex_plane(np.array([2.0, 0.5j, -0.5j, 0.0]), unicode)
    grid, axis, legend = lines[:-2], lines[-2], lines[-1]
    assert len(grid) == 17
    assert axis.endswith("from -2.3 to 2.3")
    assert f"{OUTSIDE} outside" in legend
    places = {
        (row, column): character
        for row, line in enumerate(grid)
        for column, character in enumerate(line)
        if character in {INSIDE, OUTSIDE}
    }
    # 34 columns span -2.3 … 2.3: 2 lies at round(33 * (0.5 + 2 / 4.6)); the real axis is row 8.
    assert places.pop((8, 31)) == OUTSIDE
    assert sorted(row for row, _ in places) == [6, 8, 10]
    assert set(places.values()) == {INSIDE}
    circle = [column for column, c in enumerate(grid[8]) if c not in {" ", INSIDE, OUTSIDE}]
    # ±1 lie at 33 * (0.5 ± 1 / 4.6) = 9.3 and 23.7.
    assert circle[0] in {9, 10}
    assert circle[-1] in {23, 24}


def test_on_the_circle_is_inside():
    assert OUTSIDE not in "".join(complex_plane(np.array([1.0, -1.0]), True)[:-1])


def test_no_eigenvalues_and_huge_ones():
    assert len(complex_plane(np.empty(0, complex), True)) == 19
    assert "1.15e+300" in complex_plane(np.array([1e300]), True)[-2]


def rows(log10, textbook=None, unicode=False):
    picture = gradient_curve(np.asarray(log10, float), textbook, unicode)
    body = [line for line in picture if "|" in line or "│" in line]
    return picture, [line[9:] for line in body], [line[:7].strip() for line in body]


def test_the_curves_ends():
    picture, body, labels = rows(np.linspace(0.0, -9.0, 101))
    # Whole decades, an even number of them: 1 … -9.
    assert (labels[0], labels[6], labels[12]) == ("1e+1", "1e-4", "1e-9")
    # 0 is a tenth below the top: row 1.2 of 0 … 12.
    assert body[1][0] == "."
    assert body[12].rstrip()[-1] == "."
    assert len(body[12].rstrip()) == 60
    assert picture[-2].endswith("100 steps back")


def test_a_curve_that_starts_at_zero_and_grows_reaches_the_top_right():
    _, body, labels = rows(np.linspace(0.0, 7.0, 50))
    assert (labels[0], labels[12]) == ("1e+7", "1e-1")
    assert len(body[0].rstrip()) == 60


def test_parts_that_are_zero_are_left_out():
    _, body, labels = rows([0.0, -1.0, -2.0, -np.inf, -np.inf])
    assert labels[12] == "1e-3"
    # The last finite lag, 2 of 4, is in the middle.
    assert max(len(line.rstrip()) for line in body) in range(29, 33)


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize(
    "curve",
    [
        [-np.inf] * 5,
        [0.0],
        [0.0, 0.0],
        [0.0] * 300,
        np.linspace(0, 4000, 50),
        np.linspace(0, -4000, 5000),
        [0.0, 400.0, -400.0, -np.inf],
    ],
    ids=["zero", "one", "two", "constant", "huge", "tiny", "both"],
)
def test_no_curve_breaks_it(curve, unicode):
    picture, body, labels = rows(curve, unicode=unicode)
    assert len(body) == 13
    assert all(len(line) <= 70 for line in picture)
    assert all(label == "" or label.startswith("1e") for label in labels)
    assert unicode or "".join(picture).isascii()
    assert "1e-0" not in labels


def test_the_textbook_line_is_explained_where_it_is_drawn():
    with_one, body, _ = rows(np.linspace(0, -5, 50), np.linspace(0, -2, 50))
    assert any("t" in line for line in body)
    assert "textbook" in with_one[-1]
    assert not any("textbook" in line for line in rows(np.linspace(0, -5, 50))[0])
