"""A row of numbers as a line of small bars."""

from __future__ import annotations

import math
from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-=+*#@"
"""The same for readers without Unicode."""


def sparkline(values: Sequence[float | int | None], unicode: bool = True) -> str:
    """One character a value, from the smallest to the largest; a blank where there is none.

    >>> sparkline([1.0, 2.0, None, 8.0])
    '▁▂ █'
    """
    bars = BARS if unicode else PLAIN
    finite = [value for value in values if value is not None and math.isfinite(value)]
    if not finite:
        return " " * len(values)
    low, span = min(finite), max(finite) - min(finite)

    def bar(value: float | int | None) -> str:
        if value is None or math.isnan(value):
            return " "
        if math.isinf(value):
            return bars[-1] if value > 0 else bars[0]
        return bars[round((value - low) / span * (len(bars) - 1))] if span else bars[3]

    return "".join(map(bar, values))
