"""The gradient explodes through time.

φ_k is the size of ∂L/∂h_{T-k} relative to that at the layer's own lag 0: the root mean square over
samples of the gradient, k steps before the loss step, computed in float64 with rescaling. The
finding is given if and only if, under every deciding input, φ reaches a thousand within the
sequence, or the forward pass itself overflows. Where the length is nobody's but assumed, φ has to
reach it within 50 steps; else, and where some deciding inputs do not show it, that is RD303's.

Deciding is the user's data or probe; else the network's own samples, where the file shows how its
output becomes its next input and the samples look like what it was trained on; else rows of an
embedding that certainly feeds it; else silence and noise of the scale that the optimizer's state
remembers, together. One made-up input alone would cry wolf: a random tanh network is chaotic
undriven and contracts under noise. A spectral radius of W_hh above 1 plays no part: 73 % of real
gate blocks have one.

It says that gradients grow through time. It does not say that the next step of training diverges:
of 39 trained networks that had it, 27 went on well, most of them with clipping.

Remedy: clip gradients by norm (`rnndiag suggest` proposes a value), shorten truncated
back-propagation to the horizon that is shown, lower the recurrent gain, or take a gated cell.
"""

from __future__ import annotations

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.measure.verdict import CREDIBLE_LAGS, EXPLODING_DECADES, lag_of_growth
from rnndiag.readings.basis import basis, what_would_settle
from rnndiag.rounding import power_of_ten
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import TRACE
from rnndiag.rules.traces import Traced, traced


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer that explodes under all deciding drives, at a known length."""
    for layer in traced(result):
        if layer.surely_explodes(rule.limit):
            yield _finding(layer, rule)


def _finding(layer: Traced, rule: Rule) -> Finding:
    deciding = layer.deciding
    mildest = min(deciding, key=lambda drive: drive.decay.growth_log10)
    overflows = [drive.overflow_step for drive in deciding if drive.overflow_step is not None]
    overflow = max(overflows) if len(overflows) == len(deciding) else None
    reached = lag_of_growth(mildest.log10_gradient_norm, rule.limit)
    if overflow is None:
        what = f"the gradient grows to {power_of_ten(mildest.decay.growth_log10)} times its size"
        if reached is not None:
            what += f", and to {power_of_ten(rule.limit)} times {reached} steps back"
        what += ", or the forward pass overflows" if overflows else ""
    else:
        what = f"the forward pass overflows by step {overflow}"
    settle = what_would_settle(layer.trace)
    return rule.finding(
        layer.label,
        f"exploding: {what}, {basis(layer.trace)}",
        "clip gradients by norm, shorten the back-propagated window, or lower the recurrent gain"
        + (f"; {settle}" if settle else ""),
        {
            "growth_log10": mildest.decay.growth_log10,
            "growth_lag": mildest.decay.growth_lag,
            "lag_of_growth": reached,
            "rate_per_step": mildest.decay.rate_per_step,
            "overflow_step": overflow,
            "drives": ", ".join(drive.drive for drive in deciding),
            "basis": layer.trace.basis,
            "length_basis": layer.trace.length_basis,
        },
    )


RULE = Rule(
    code="RD301",
    title="exploding gradient",
    severity="error",
    threshold="growth by {limit:g} decades, or overflow, under every deciding input; at an assumed "
    f"length within {CREDIBLE_LAGS} steps",
    source="176 trained networks, of which 38 reach three decades on their own data at their own "
    "length; docs/calibration.md",
    documentation=__doc__ or "",
    check=check,
    needs=(TRACE,),
    degree=Degree("lag_of_growth", worse="lower"),
    limit=EXPLODING_DECADES,
)
