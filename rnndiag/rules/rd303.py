"""The gradient may explode: what the verdict stands on does not bear it out.

It grows as RD301 demands under some deciding inputs and not under others; or only with ReLU, of a
plain RNN whose activation the file does not say; or at a length that nobody gave, after more than
50 steps. An input that cannot occur (noise, where an embedding feeds the network) plays no part,
and neither does one under which the states have another size than the optimizer's state remembers.

Remedy: settle it, with the data (`--input FILE`, `--probe FILE`), the length (`--seq-len`) or the
activation (`--as NAME=rnn:relu`), whichever the message names. If it does explode then, RD301 says
so.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.measure.verdict import CREDIBLE_LAGS, EXPLODING_DECADES, lag_of_growth
from rnndiag.readings.basis import basis, what_would_settle
from rnndiag.recognise.declare import as_line
from rnndiag.rounding import power_of_ten
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import TRACE
from rnndiag.rules.traces import Traced, names, traced


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer that explodes, and not surely."""
    for layer in traced(result):
        if layer.surely_explodes(rule.limit):
            continue
        found = layer.trace.exploding(rule.limit)
        if found:
            yield _some(layer, found, rule)
        elif relu := layer.trace.only_as_relu(rule.limit):
            yield _as_relu(layer, relu, rule)


def _some(layer: Traced, found: list[DriveTrace], rule: Rule) -> Finding:
    worst = max(found, key=lambda drive: drive.decay.growth_log10)
    spared = [drive for drive in layer.deciding if drive not in found]
    reached = lag_of_growth(worst.log10_gradient_norm, rule.limit)
    if spared:
        where = f"under {names(found)} input and not under {names(spared)}"
        remedy = what_would_settle(layer.trace) or "clip gradients if such inputs occur"
    else:
        where = f"and reaches {power_of_ten(rule.limit)} times {reached} steps back"
        remedy = what_would_settle(layer.trace)
    return _finding(
        layer, worst, f"may explode: {_grown(worst)} {where}", remedy, names(found), rule
    )


def _as_relu(layer: Traced, found: list[DriveTrace], rule: Rule) -> Finding:
    worst = max(found, key=lambda drive: drive.decay.growth_log10)
    line = as_line(f"{layer.item.layer.keys[0]}=rnn:relu")
    what = (
        f"may explode: with ReLU {_grown(worst)} under {names(found)} input; with tanh, which is "
        "assumed, it does not"
    )
    return _finding(layer, worst, what, f"if it is a ReLU network, say so: {line}", "relu", rule)


def _grown(worst: DriveTrace) -> str:
    if worst.overflow_step is not None:
        return f"the forward pass overflows at step {worst.overflow_step}"
    return f"the gradient grows to {power_of_ten(worst.decay.growth_log10)} times its size"


def _finding(
    layer: Traced, worst: DriveTrace, what: str, remedy: str, drives: str, rule: Rule
) -> Finding:
    return rule.finding(
        layer.label,
        f"{what}, {basis(layer.trace)}",
        remedy,
        {
            "drives": drives,
            "growth_log10": worst.decay.growth_log10,
            "lag_of_growth": lag_of_growth(worst.log10_gradient_norm, rule.limit),
            "rate_per_step": worst.decay.rate_per_step,
            "overflow_step": worst.overflow_step,
            "basis": layer.trace.basis,
            "length_basis": layer.trace.length_basis,
        },
    )


RULE = Rule(
    code="RD303",
    title="may explode",
    severity="warning",
    threshold="growth by {limit:g} decades, or overflow: under some deciding inputs only, only "
    f"with ReLU, or at an assumed length after more than {CREDIBLE_LAGS} steps",
    source="176 trained networks; docs/calibration.md",
    documentation=__doc__ or "",
    check=check,
    needs=(TRACE,),
    degree=Degree("lag_of_growth", worse="lower"),
    limit=EXPLODING_DECADES,
)
