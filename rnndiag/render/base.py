"""What every format is: a report and a screen to text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rnndiag.report import Report


@dataclass(frozen=True)
class Screen:
    """Where the text is going to be read."""

    width: int = 100
    color: bool = False
    unicode: bool = True


Renderer = Callable[[Report, Screen], str]


def number(value: float | int | None) -> str:
    """Six significant digits, as every judgement is made on; a dash for what was not measured.

    >>> number(0.12345678), number(3), number(None), number(1e-30)
    ('0.123457', '3', '-', '1e-30')
    """
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def short(value: float | None) -> str:
    """Four significant digits, where a narrow terminal has to hold a table; JSON has twelve.

    >>> short(0.0123456), short(None)
    ('0.01235', '-')
    """
    return "-" if value is None else f"{value:.4g}"


def power_of_ten(log10: float) -> str:
    """10^log10 in scientific notation, at any size.

    >>> power_of_ten(-534.25), power_of_ten(float("-inf")), power_of_ten(0.0), power_of_ten(3.28)
    ('5.6e-535', '0', '1', '1.9e+3')
    """
    if log10 == float("-inf"):
        return "0"
    if log10 >= -2 and (value := 10.0 ** min(log10, 4.0)) < 999.5:
        return f"{value:.3g}"
    exponent = int(log10 // 1)
    mantissa = f"{10.0 ** (log10 - exponent):.1f}"
    return f"1.0e{exponent + 1:+d}" if mantissa == "10.0" else f"{mantissa}e{exponent:+d}"
