"""The gradient vanishes: at the last lag less than a thousandth of it is left.

φ at the last lag of the sequence is below 10^-3 under every deciding drive, so a loss at the last
step says next to nothing to the first ones. Many healthy networks forget on purpose, therefore this
is a note, whatever the length of the sequences. It is a warning only where you say how many steps
back the task needs to remember (`--memory N`, or `memory` in the configuration, by path where
models differ), and less than a thousandth reaches that far; or where the trace is shorter than
that, so that nobody can tell.

This is about what can be learnt. A network may keep a value for longer than its gradient lasts: the
state of a latch settles in one of two places, stays there for ever, and its gradient is gone in
three steps.

Remedy: nothing, if the task needs no longer memory than the half-life that is shown. Else a gated
cell, a larger forget-gate bias, or an orthogonal recurrence. Clipping does nothing for a vanishing
gradient.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.measure.drive_trace import GROWS
from rnndiag.readings.basis import how_long, on_what
from rnndiag.readings.words import counted
from rnndiag.rounding import power_of_ten
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import TRACE
from rnndiag.rules.traces import Lost, Traced, lost, traced


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer whose gradient vanishes under all deciding drives."""
    for layer in traced(result):
        gone = lost(layer, rule.limit)
        if gone is not None:
            yield _vanishing(layer, gone, result, rule)
        elif result.memory is not None and result.memory > layer.trace.seq_len:
            yield _unseen(layer, result.memory, rule)


def _vanishing(layer: Traced, gone: Lost, result: FileResult, rule: Rule) -> Finding:
    """A warning where it is lost before it comes as far as the task needs, else a note."""
    needed = result.memory
    short = needed is not None and gone.horizon < needed
    rises = any(drive.decay.growth_log10 >= GROWS for drive in layer.deciding)
    above = "a thousandth" if rule.limit == RULE.limit else f"{rule.limit:g}"
    task = "" if needed is None else f", and the task needs {counted(needed, 'step')}"
    return rule.finding(
        layer.label,
        f"vanishing: at most {power_of_ten(gone.left_log10)} of the gradient is left after "
        f"{how_long(layer.trace)}; it stays above {above} for {counted(gone.horizon, 'step')}"
        f"{task}, {on_what(layer.trace)}",
        (LONGER_MEMORY if short else NOTHING_TO_DO) + ("" if rises else NO_CLIPPING),
        {
            "log10_last": gone.left_log10,
            "horizon": gone.horizon,
            "half_life": gone.drive.decay.half_life,
            "drive": gone.drive.drive,
            "memory": needed,
        },
        None if short else rule.milder,
    )


def _unseen(layer: Traced, memory: int, rule: Rule) -> Finding:
    """Whether it reaches far enough is not known: a gate must not take that for a yes."""
    steps = layer.trace.seq_len
    return rule.finding(
        layer.label,
        f"traced over {counted(steps, 'step')}: whether the gradient reaches the {memory} that the "
        "task needs was not seen",
        "trace longer sequences: --seq-len, --input or --probe with at least that many steps",
        {"log10_last": None, "horizon": steps, "half_life": None, "drive": None, "memory": memory},
    )


NOTHING_TO_DO = (
    "nothing to do if the task needs no longer memory; what the state keeps, as a latch does, may "
    "last longer than its gradient"
)
LONGER_MEMORY = (
    "use a gated cell, a larger forget-gate bias or an orthogonal start of the recurrence"
)
NO_CLIPPING = "; clipping does not help here"
"""True of a gradient that was never large."""


RULE = Rule(
    code="RD302",
    title="vanishing gradient",
    severity="warning",
    threshold="φ at the last lag below {limit:g} under every deciding drive; a warning where it "
    "falls below that within the memory that the task needs",
    source="Hochreiter 1991, Bengio et al. 1994; a thousandth is lost beside other lags' gradients",
    documentation=__doc__ or "",
    check=check,
    needs=(TRACE,),
    degree=Degree("horizon", worse="lower"),
    limit=1e-3,
    milder="note",
)
