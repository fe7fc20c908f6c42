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
from rnndiag.readings.words import counted
from rnndiag.rounding import power_of_ten
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import TRACE
from rnndiag.rules.traces import lost, traced


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer whose gradient vanishes under all deciding drives."""
    severity = None if result.seq_len_source == "given" else rule.milder
    for layer in traced(result):
        gone = lost(layer, rule.limit)
        if gone is None:
            continue
        above = "a thousandth" if rule.limit == RULE.limit else f"{rule.limit:g}"
        yield rule.finding(
            layer.label,
            f"vanishing: at most {power_of_ten(gone.left_log10)} of the gradient is left after "
            f"{counted(gone.steps, 'step')}; it stays above {above} for "
            f"{counted(gone.horizon, 'step')}",
            "nothing to do if the task needs no longer memory; clipping does not help here",
            {
                "log10_last": gone.left_log10,
                "horizon": gone.horizon,
                "half_life": gone.drive.decay.half_life,
                "drive": gone.drive.drive,
            },
            severity,
        )


RULE = Rule(
    code="RD302",
    title="vanishing gradient",
    severity="warning",
    threshold="φ at the last lag below {limit:g} under every deciding drive",
    source="Hochreiter 1991, Bengio et al. 1994; a thousandth is lost beside other lags' gradients",
    documentation=__doc__ or "",
    check=check,
    needs=(TRACE,),
    degree=Degree("horizon", worse="lower"),
    limit=1e-3,
    milder="note",
)
