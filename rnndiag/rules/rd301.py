"""The gradient explodes through time, whatever the input.

φ_k is the size of ∂L/∂h_{T-k} relative to the seed's: the root mean square over samples of the
gradient, k steps before the loss step, computed in float64 with rescaling. The finding is given if
and only if, under every deciding drive, log10 φ reaches 3 within the sequence and the lower end of
the 95 % interval of its slope is above zero, or the forward pass itself overflows. A recorded
sequence of fewer than 20 steps is too short for that interval: there the growth alone decides.

Deciding drives are the user's data; else rows of the file's own embedding; else one-hot symbols
where the rest of the model is a readout that scores as many as the layer takes; else no input, weak
and unit Gaussian input together. One drive alone would cry wolf: a random tanh network is chaotic
undriven and contracts under noise. A spectral radius of W_hh above 1 plays no part: 73 % of real
gate blocks have one.

Remedy: clip gradients by norm (`rnndiag suggest` proposes a value), shorten truncated
back-propagation to the horizon that is shown, lower the recurrent gain, or take a gated cell.
"""

from __future__ import annotations

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.measure.verdict import EXPLODING_DECADES
from rnndiag.rounding import power_of_ten
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import TRACE
from rnndiag.rules.traces import Traced, exploding, names, traced


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer that explodes under all deciding drives."""
    for layer in traced(result):
        if len(exploding(layer.deciding, rule.limit)) == len(layer.deciding):
            yield _finding(layer, rule)


def _finding(layer: Traced, rule: Rule) -> Finding:
    deciding = layer.deciding
    mildest = min(deciding, key=lambda drive: drive.decay.growth_log10)
    overflows = [drive.overflow_step for drive in deciding if drive.overflow_step is not None]
    overflow = max(overflows) if len(overflows) == len(deciding) else None
    if overflow is None:
        what = f"the gradient grows to {power_of_ten(mildest.decay.growth_log10)} times its size"
        what += ", or the forward pass overflows," if overflows else ""
    else:
        what = f"the forward pass overflows by step {overflow}"
    return rule.finding(
        layer.label,
        f"exploding: {what} under every deciding input ({names(deciding)})",
        "clip gradients by norm, shorten the back-propagated window, or lower the recurrent gain",
        {
            "growth_log10": mildest.decay.growth_log10,
            "growth_lag": mildest.decay.growth_lag,
            "rate_per_step": mildest.decay.rate_per_step,
            "overflow_step": overflow,
        },
    )


RULE = Rule(
    code="RD301",
    title="exploding gradient",
    severity="error",
    threshold="growth by {limit:g} decades with a rate above zero (95 %), or overflow, under every "
    "deciding drive",
    source="132 real layers at T = 200: two of them reach it under zero, weak and normal input",
    documentation=__doc__ or "",
    check=check,
    needs=(TRACE,),
    degree=Degree("rate_per_step"),
    limit=EXPLODING_DECADES,
)
