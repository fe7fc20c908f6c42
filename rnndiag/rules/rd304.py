"""The dynamics are chaotic: gradients grow for ever while the states stay bounded.

Under every deciding drive the 95 % interval of the rate is above zero and the gradient has grown by
at least a decade; and the states are bounded, because the activation is tanh (h of a plain RNN, a
GRU or an LSTM never leaves ±1; an LSTM's cell state grows by at most 1 a step). Then perturbations
double every ln2/λ steps, λ being the rate, and a loss that looks further back than a few times that
has gradients that grow exponentially with the distance and point nowhere. A ReLU network whose
gradient grows has states that grow with it: that is RD301's, not chaos, so it is not judged here.

A decade is asked for, so that a rise that ends is not taken for chaos: the gradient of two stacked
layers that keep 0.9 each goes as (k+1)·0.9^k, and rises to 3.9 before it falls. With RD301 it comes
together: that says how much, this says why.

Remedy: back-propagate no further than the horizon that is shown (`rnndiag suggest` proposes a
window), or restart from the data every so many steps while training (teacher forcing). Clipping
bounds the step and does not give back its direction.
"""

import math
from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.measure.verdict import explodes
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import TANH_TRACE
from rnndiag.rules.traces import traced


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer with bounded states whose gradient grows under all drives."""
    for layer in traced(result):
        curves = [drive.decay for drive in layer.deciding]
        bounded = layer.item.layer.activation == "tanh"
        finite = all(drive.overflow_step is None for drive in layer.deciding)
        if not (bounded and finite and all(explodes(c, None, rule.limit) for c in curves)):
            continue
        rates = [curve.rate_per_step or 0.0 for curve in curves]
        slowest, fastest = (math.log(2.0) / rate for rate in (min(rates), max(rates)))
        steps = f"{fastest:.3g}" if len(rates) == 1 else f"{fastest:.3g} to {slowest:.3g}"
        yield rule.finding(
            layer.label,
            f"chaotic: gradients double every {steps} steps back while states stay bounded",
            "back-propagate no further than a few such horizons; rnndiag suggest proposes a window",
            {
                "rate_per_step": min(rates),
                "horizon": slowest,
                "growth_log10": min(curve.growth_log10 for curve in curves),
            },
        )


RULE = Rule(
    code="RD304",
    title="chaotic dynamics",
    severity="warning",
    threshold="rate above zero (95 %) and growth by {limit:g} decade or more under every deciding "
    "drive, activation tanh",
    source="Mikhaeil, Monfared & Durstewitz 2022: gradients explode wherever the dynamics are "
    "chaotic; none of 62 real layers reaches a decade under every deciding drive",
    documentation=__doc__ or "",
    check=check,
    needs=(TANH_TRACE,),
    degree=Degree("rate_per_step"),
    limit=1.0,
)
