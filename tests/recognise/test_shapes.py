"""Shapes with letters: what they accept, what they refuse, and how long that takes."""

from __future__ import annotations

import time

import pytest

from rnndiag.recognise.shapes import patterns, solve


@pytest.mark.parametrize(
    ("wanted", "letters"),
    [
        ([("(4H, H)", (128, 32)), ("(4H, I)", (128, 7))], {"H": 32, "I": 7}),
        ([("(H, 4H)", (1, 4))], {"H": 1}),
        ([("(H, H+I)", (32, 33))], {"H": 32, "I": 1}),
        ([("(R+2N, D)", (34, 64)), ("(D, R)", (64, 2))], {"D": 64, "R": 2, "N": 16}),
        ([("(h, 4d, d) | (h, d, 4d)", (2, 3, 12)), ("(4hd,)", (24,))], {"h": 2, "d": 3}),
        ([("(H,)", (4,)), ("(Hk, d)", (32, 9)), ("(Hk, d)", (32, 9))], {"H": 4, "k": 8, "d": 9}),
        ([("(1, 1, C) | (C,)", (6,))], {"C": 6}),
        ([("(C, C, k, *)", (8, 8, 3, 3, 3))], {"C": 8, "k": 3}),
        ([("(*)", (5, 4, 3))], {}),
        ([("(*)", ())], {}),
    ],
)
def test_sizes_that_fit(wanted, letters):
    assert solve(wanted) == letters


@pytest.mark.parametrize(
    "wanted",
    [
        [("(4H, H)", (128, 33))],
        [("(4H, H)", (127, 32))],
        [("(H, H+I)", (32, 32))],
        [("(3H, H)", (96, 32, 1))],
        [("(C, C, k, *)", (8, 8))],
        [("(4hd,)", (24,)), ("(h, 4d, d)", (2, 8, 2))],
        [("(H, I)", (4, 3)), ("(I, H)", (4, 3))],
        [("(Hk,)", (7,)), ("(H,)", (4,))],
        [("(A+B,)", (0,))],
    ],
)
def test_sizes_that_do_not(wanted):
    assert solve(wanted) is None


def test_an_alternative_that_fits_alone_gives_way_to_one_that_fits_with_the_others():
    assert solve([("(H, I) | (I, H)", (3, 5)), ("(H,)", (5,))]) == {"H": 5, "I": 3}


@pytest.mark.parametrize("text", ["", "H, H", "(H, 2-H)", "(H+, I)", "(H) | I"])
def test_what_is_no_shape(text):
    with pytest.raises(ValueError, match="is not a"):
        patterns(text)


def test_many_alternatives_take_no_time():
    wanted = [("(H, I) | (I, H)", (9, 9))] * 12 + [("(H,)", (8,))]
    begun = time.process_time()
    assert solve(wanted) is None
    assert time.process_time() - begun < 2
