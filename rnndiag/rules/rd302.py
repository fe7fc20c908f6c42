"""The gradient vanishes: at the last lag less than a thousandth of it is left.

φ at the last lag of the sequence is below 10^-3 under every deciding drive, so a loss at the last
step says next to nothing to the first ones. Many healthy networks forget on purpose, therefore this
is a note; it becomes a warning when the sequence length was given by you, because then a thousandth
is what is left at a distance that you asked about.

Remedy: nothing, if the task needs no longer memory than the half-life that is shown. Else a gated
cell, a larger forget-gate bias, or an orthogonal recurrence. Clipping does nothing for a vanishing
gradient.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.rounding import power_of_ten
from rnndiag.rules.base import Finding, Rule


def check(result: FileResult) -> Iterable[Finding]:
    """One finding for each layer whose gradient vanishes under all deciding drives."""
    for item in result.layers:
        if item.trace is None or item.trace.verdict != "vanishing":
            continue
        deciding = [drive for drive in item.trace.drives if drive.deciding]
        longest = max(deciding, key=lambda drive: drive.log10_gradient_norm[-1])
        steps = longest.decay.horizons[2]
        left = float(longest.log10_gradient_norm[-1])
        yield Finding(
            RULE.code,
            "warning" if result.seq_len_source == "given" else "note",
            item.layer.label,
            f"vanishing: at most {power_of_ten(left)} of the gradient is left after "
            f"{len(longest.log10_gradient_norm) - 1} steps; it stays above a thousandth for "
            f"{max(steps or 0, 0)} steps",
            "nothing to do if the task needs no longer memory; clipping does not help here",
            {
                "log10_last": left,
                "horizon_1e3": steps,
                "half_life": longest.decay.half_life,
                "drive": longest.drive,
            },
        )


RULE = Rule(
    code="RD302",
    title="vanishing gradient",
    severity="warning",
    threshold="φ at the last lag below 1e-3 under every deciding drive",
    source="Hochreiter 1991, Bengio et al. 1994; a thousandth is lost beside other lags' gradients",
    documentation=__doc__ or "",
    check=check,
)
