"""The dynamics are chaotic: perturbations of the state grow for ever while the states stay bounded.

Under every deciding drive the largest Lyapunov exponent λ along the network's own trajectory is
above zero for sure (95 %) and the gradient has grown by at least a decade; and the states are
bounded, because the activation is tanh (h of a plain RNN, a GRU or an LSTM never leaves ±1; an
LSTM's cell state grows by at most 1 a step). Then perturbations double every ln2/λ steps, and a
loss that looks further back than a few times that has gradients that grow exponentially with the
distance and point nowhere. A ReLU network whose gradient grows has states that grow with it: that
is RD301's, not chaos, so it is not judged here.

The exponent decides, and not the slope of the gradient: a stable network may multiply a gradient by
160,000 on its way, and then lose it. Over a window shorter than that way its exponent is above zero
too; so the growth has to last when the window's steps are gone through again and again. A decade is
asked for as well, since below that nobody is
troubled, and the exponent is measured only there. With RD301 it comes together: that says how much,
this says why.

Remedy: back-propagate no further than the horizon that is shown (`rnndiag suggest` proposes a
window), or restart from the data every so many steps while training (teacher forcing). Clipping
bounds the step and does not give back its direction.
"""

import math
from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.measure.lyapunov import LyapunovSpectrum
from rnndiag.readings.basis import on_what
from rnndiag.rounding import judged
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import TANH_TRACE
from rnndiag.rules.traces import Traced, traced


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer with bounded states that is chaotic under all drives."""
    for layer in traced(result):
        exponents = _exponents(layer, rule.limit)
        if not exponents:
            continue
        rates = [float(found.exponents[0]) for found in exponents]
        slowest, fastest = (math.log(2.0) / rate for rate in (min(rates), max(rates)))
        steps = f"{fastest:.3g}" if len(rates) == 1 else f"{fastest:.3g} to {slowest:.3g}"
        yield rule.finding(
            layer.label,
            f"chaotic: perturbations double every {steps} steps while states stay "
            f"bounded, {on_what(layer.trace)}",
            "back-propagate no further than a few such horizons; rnndiag suggest proposes a window",
            {
                "lyapunov": min(rates),
                "horizon": slowest,
                "growth_log10": min(drive.decay.growth_log10 for drive in layer.deciding),
            },
        )


def _exponents(layer: Traced, decades: float) -> list[LyapunovSpectrum]:
    """Of every deciding drive; none unless all are surely above zero, and the states bounded."""
    if layer.item.layer.activation != "tanh":
        return []
    found = []
    for drive in layer.deciding:
        if drive.overflow_step is not None or judged(drive.decay.growth_log10) < decades:
            return []
        exponents = None if drive.growth is None else drive.growth.lyapunov
        if exponents is None or exponents.margin is None or not exponents.living:
            return []
        if judged(float(exponents.exponents[0]) - exponents.margin) <= 0.0:
            return []
        if not (drive.growth and (drive.growth.sustained_rate or 0.0) > 0.0):
            return []
        found.append(exponents)
    return found


RULE = Rule(
    code="RD304",
    title="chaotic dynamics",
    severity="warning",
    threshold="largest Lyapunov exponent above zero (95 %) and growth by {limit:g} decade or more "
    "under every deciding drive, activation tanh",
    source="Mikhaeil, Monfared & Durstewitz 2022: gradients explode wherever the dynamics are "
    "chaotic; none of 62 real layers reaches a decade under every deciding drive",
    documentation=__doc__ or "",
    check=check,
    needs=(TANH_TRACE,),
    degree=Degree("lyapunov"),
    limit=1.0,
)
