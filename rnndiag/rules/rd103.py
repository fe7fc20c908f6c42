"""Rows of W_hh are zero throughout.

A unit, or one of its gates, takes nothing from the previous state. That is what pruning leaves, and
what a ReLU unit that died early and weight decay end in; it is rarely what was wanted of a
recurrence. It does no harm to the numbers, therefore it is a note.

Remedy: nothing if the layer was pruned. Else look at the unit's activations; a lower learning rate
or a smaller negative bias keeps ReLU units alive.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import LAYERS


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer with such rows."""
    for item in result.layers:
        count, rows = item.weights.zero_rows, item.layer.weight_hh.shape[0]
        if count:
            yield rule.finding(
                item.layer.label,
                f"{count} of {rows} rows of W_hh {'are' if count > 1 else 'is'} zero: those units "
                "take nothing from the previous state",
                "nothing to do if the layer was pruned",
                {"zero_rows": count, "rows": rows},
            )


RULE = Rule(
    code="RD103",
    title="all-zero rows",
    severity="note",
    threshold="one row",
    source="the default initialisation has none, nor has any of 62 real layers",
    documentation=__doc__ or "",
    check=check,
    needs=(LAYERS,),
    degree=Degree("zero_rows"),
)
