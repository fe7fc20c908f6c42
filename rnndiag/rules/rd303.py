"""The gradient explodes under some inputs and not under others.

Under at least one drive it grows as RD301 demands, and under at least one deciding drive it does
not. Which of the two training or use will meet depends on the data: a network that is silent for a
while (padding, a pause) is in the zero drive's place, one with inputs of unusual scale in that of
weak or normal ones. Of 132 real layers 15 explode under a single one of zero, weak and normal
input, and most of those are healthy on their own data, therefore this is a warning.

Remedy: trace with your data (`--input FILE`), which then decides alone. If inputs like the named
drive's do occur, clip gradients by norm.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.measure.verdict import EXPLODING_DECADES
from rnndiag.rounding import power_of_ten
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import TRACE
from rnndiag.rules.traces import exploding, names, traced


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer that explodes under some drive and not under all deciding."""
    for layer in traced(result):
        found = exploding(layer.trace.drives, rule.limit)
        spared = [drive for drive in layer.deciding if drive not in found]
        if not found or not spared:
            continue
        worst = max(found, key=lambda drive: drive.decay.growth_log10)
        grown = power_of_ten(worst.decay.growth_log10)
        overflow = " (and the forward pass overflows)" if worst.overflow_step is not None else ""
        yield rule.finding(
            layer.label,
            f"explodes under {names(found)} input, to {grown} times{overflow}, and not under "
            f"{names(spared)}",
            "trace with your own data (--input FILE); clip if such inputs occur",
            {
                "drives": names(found),
                "growth_log10": worst.decay.growth_log10,
                "rate_per_step": worst.decay.rate_per_step,
                "overflow_step": worst.overflow_step,
            },
        )


RULE = Rule(
    code="RD303",
    title="explodes under some inputs only",
    severity="warning",
    threshold="growth by {limit:g} decades with a rate above zero (95 %), or overflow, under some "
    "drive and not under every deciding one",
    source="132 real layers at T = 200: 15 do under one drive, 2 under all",
    documentation=__doc__ or "",
    check=check,
    needs=(TRACE,),
    degree=Degree("rate_per_step"),
    limit=EXPLODING_DECADES,
)
