"""Something recurrent in the file could not be measured.

Either a tensor's name says recurrence and its shape does not fit one of the cells that are
measured, or its partner is missing or disagrees; or a layer was recognised and could not be run,
because the given inputs do not fit it. What was not checked is part of the result: a gate that
stayed silent here would pass a network it never looked at. (Layers with values that are not finite
are RD101's.)

Remedy: if it is a plain RNN, a GRU or an LSTM under an unusual name, declare it with `--as
NAME=CELL[:activation][,input=NAME][,bias=NAME]`. If it is something else (a state-space layer, a
low-rank product), rnndiag cannot measure it: check it by other means, and ignore RD104 for its
path. If nothing at all could be measured the exit code
is 2.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import NOTHING


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each unrecognised tensor, and for each layer that could not be run."""
    for tensor in result.recognition.unrecognised:
        yield rule.finding(
            tensor.name,
            f"looks recurrent, was not measured: {tensor.reason}",
            "declare it with --as if it is an RNN, a GRU or an LSTM, else --ignore RD104",
            {"shape": "x".join(map(str, tensor.shape))},
        )
    for item in result.layers:
        if item.not_measured is not None and not item.weights.non_finite:
            yield rule.finding(
                item.layer.label,
                f"recurrent, was not measured: {item.not_measured}",
                "choose modules with --layer, or check this one by itself",
                {"reason": item.not_measured},
            )


RULE = Rule(
    code="RD104",
    title="recurrent but could not be measured",
    severity="warning",
    threshold="a name that says recurrence, or a layer without results",
    source="what was not checked is part of the result",
    documentation=__doc__ or "",
    check=check,
    needs=(NOTHING,),
)
