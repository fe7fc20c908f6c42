"""How numbers are rounded: six significant digits are judged, powers of ten shown at any size."""


def judged(value: float) -> float:
    """The value as a reader sees it; every threshold is compared with this one.

    >>> judged(0.99999996)
    1.0
    """
    return float(f"{value:.6g}")


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
