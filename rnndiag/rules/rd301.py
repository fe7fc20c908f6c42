"""The gradient explodes through time, whatever the input.

φ_k is the size of ∂L/∂h_{T-k} relative to the seed's: the root mean square over samples of the
gradient, k steps before the loss step, computed in float64 with rescaling. The finding is given if
and only if, under every deciding drive, log10 φ reaches 3 within the sequence and the lower end of
the 95 % interval of its slope is above zero, or the forward pass itself overflows.

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
from typing import TYPE_CHECKING

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.rounding import power_of_ten
from rnndiag.rules.base import Finding, Rule

if TYPE_CHECKING:
    from rnndiag.measure.drive_trace import DriveTrace


def check(result: FileResult) -> Iterable[Finding]:
    """One finding for each layer that explodes under all deciding drives."""
    for item in result.layers:
        if item.trace is not None and item.trace.verdict == "exploding":
            yield _finding(item, [drive for drive in item.trace.drives if drive.deciding])


def _finding(item: LayerResult, deciding: list[DriveTrace]) -> Finding:
    mildest = min(deciding, key=lambda drive: drive.decay.growth_log10)
    overflows = [drive.overflow_step for drive in deciding if drive.overflow_step is not None]
    overflow = max(overflows) if len(overflows) == len(deciding) else None
    names = ", ".join(drive.drive for drive in deciding)
    if overflow is None:
        what = f"the gradient grows to {power_of_ten(mildest.decay.growth_log10)} times its size"
        what += ", or the forward pass overflows," if overflows else ""
    else:
        what = f"the forward pass overflows by step {overflow}"
    return Finding(
        RULE.code,
        RULE.severity,
        item.layer.label,
        f"exploding: {what} under every deciding input ({names})",
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
    threshold="log10 φ ≥ 3 with a rate above zero (95 %), or overflow, under every deciding drive",
    source="132 real layers at T = 200: two of them reach it under zero, weak and normal input",
    documentation=__doc__ or "",
    check=check,
)
