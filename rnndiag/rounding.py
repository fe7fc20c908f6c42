"""The one rounding that is shown and judged: six significant digits."""


def judged(value: float) -> float:
    """The value as a reader sees it; every threshold is compared with this one.

    >>> judged(0.99999996)
    1.0
    """
    return float(f"{value:.6g}")
