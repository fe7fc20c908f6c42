"""A tensor looks recurrent but could not be measured.

Its name says recurrence, its shape does not fit one of the cells that are measured, or its partner
is missing or disagrees. What was not checked is part of the result: a gate that stayed silent here
would pass a network it never looked at.

Remedy: if it is a plain RNN, a GRU or an LSTM under an unusual name, declare it with
`--as NAME=CELL[:activation][,input=NAME][,bias=NAME]`. If nothing at all could be measured the exit
code is 2.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.rules.base import Finding, Rule


def check(result: FileResult) -> Iterable[Finding]:
    """One finding for each unrecognised tensor."""
    for item in result.recognition.unrecognised:
        yield Finding(
            RULE.code,
            RULE.severity,
            item.name,
            f"looks recurrent, was not measured: {item.reason}",
            "declare it with --as if it is an RNN, a GRU or an LSTM",
            {"shape": "x".join(map(str, item.shape))},
        )


RULE = Rule(
    code="RD104",
    title="looked recurrent but could not be measured",
    severity="warning",
    threshold="a name that says recurrence",
    source="what was not checked is part of the result",
    documentation=__doc__ or "",
    check=check,
)
