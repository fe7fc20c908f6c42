"""A gate is saturated nearly everywhere: it has become a switch that is stuck.

A gate's value below 0.1 or above 0.9 counts as saturated; there its slope is under 0.09, at most a
third of what it is in the middle, and the gate learns slowly. Trained gates are saturated some of
the time on purpose, and forget gates above 0.9 are how an LSTM remembers. Where nearly all values
of a gate are, under every deciding drive, whatever comes in changes little of what it does.

Remedy: nothing if that is what the task wants (a forget gate that always keeps). Else check the
scale of the inputs, and the gate's biases.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.rounding import judged
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import GATED_TRACE
from rnndiag.rules.traces import Traced, names, traced


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer with a gate that is nearly always saturated."""
    for layer in traced(result):
        shares = {gate: share for gate, share in _shares(layer) if judged(share) >= rule.limit}
        if shares:
            which = ", ".join(f"{gate} gate {share:.0%}" for gate, share in shares.items())
            yield rule.finding(
                layer.label,
                f"saturated gates under {names(layer.deciding)} input: {which} of values below 0.1 "
                f"or above 0.9",
                "nothing to do if the gate is meant to be fixed; else check the inputs' scale",
                {**shares},
            )


def _shares(layer: Traced) -> Iterable[tuple[str, float]]:
    """By gate, the smallest share of saturated values over the deciding drives."""
    for gate in layer.deciding[0].saturated_gates:
        yield gate, min(drive.saturated_gates[gate] for drive in layer.deciding)


RULE = Rule(
    code="RD306",
    title="saturated gates",
    severity="note",
    threshold="at least {limit:g} of a gate's values below 0.1 or above 0.9 under every deciding "
    "drive",
    source="0.1 and 0.9 as Karpathy, Johnson & Li 2015; the most saturated gates of 61 real gated "
    "layers reach 0.83 under every drive",
    documentation=__doc__ or "",
    check=check,
    needs=(GATED_TRACE,),
    limit=0.9,
)
