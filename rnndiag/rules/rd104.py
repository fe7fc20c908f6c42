"""Something recurrent in the file could not be measured.

An error where a set of sibling tensors proves a recurrence: names and shapes that stand together in
one published kind of it and nowhere else (a Keras cell's `kernel` and `recurrent_kernel`, Mamba's
`A_log`, `x_proj` and `dt_proj`, a matrix for each gate), or PyTorch's own names on tensors that do
not fit together. A warning where it only looks like one: a single name that says recurrence. Also a
warning for a layer that was recognised and could not be run, because the given inputs do not fit
it. Layers of one network count once. What was not checked is part of the result: a gate that stayed
silent here would pass a network it never looked at. (Layers with values that are not finite are
RD101's; the layers above them are named here.)

Remedy: where a line with `--as` is given and it is that cell, type it; none is given where it would
measure something else, a leaky or a normalised cell as a plain one. A recurrence of a kind that
rnndiag does not measure has to be checked by other means; then ignore RD104 for its path. If
nothing at all could be measured the exit code is 2.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.recognise.layers import Unrecognised
from rnndiag.recognise.proposals import DECLARABLE
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import NOTHING


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each unrecognised recurrence, and for each layer that could not be run."""
    for entry in result.recognition.unrecognised:
        yield rule.finding(
            entry.name,
            f"{_said(entry)}, was not measured: {entry.reason}",
            _remedy(entry),
            {"shape": "x".join(map(str, entry.shape))},
            None if entry.certain else rule.milder,
        )
    for item in result.layers:
        if item.not_measured is not None and not item.weights.non_finite:
            yield rule.finding(
                item.layer.label,
                f"recurrent, was not measured: {item.not_measured}",
                "choose modules with --layer, or check this one by itself",
                {"reason": item.not_measured},
                rule.milder,
            )


def _said(entry: Unrecognised) -> str:
    return "recurrent" if entry.certain else "looks recurrent"


def _remedy(entry: Unrecognised) -> str:
    """What helps; typing a line is proposed only where there is one, or nothing says what it is."""
    if DECLARABLE in entry.reason:
        return "declare it with that line if it is one, else --ignore RD104"
    if entry.certain:
        return "check it by other means, then --ignore RD104 for its path"
    return "declare it with --as if it is an RNN, a GRU or an LSTM, else --ignore RD104"


RULE = Rule(
    code="RD104",
    title="recurrent but could not be measured",
    severity="error",
    milder="warning",
    threshold="sibling tensors that prove a recurrence; a warning for a name that says one",
    source="what was not checked is part of the result",
    documentation=__doc__ or "",
    check=check,
    needs=(NOTHING,),
)
