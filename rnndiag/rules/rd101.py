"""The recurrent weights hold NaN or infinite values.

Every output and every gradient of such a layer is NaN, so nothing else can be measured on it. It is
the usual end of a run whose gradient exploded once: the optimizer wrote the NaN into the weights,
and every later checkpoint carries it.

Remedy: go back to the last checkpoint that passes, lower the learning rate or clip gradients by
norm (`rnndiag suggest` on that checkpoint proposes a value), and stop training when a loss is not
finite. NaN in tensors outside the recurrence is RD105's.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import LAYERS


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer with a value that is not finite."""
    for item in result.layers:
        count = item.weights.non_finite
        if count:
            yield rule.finding(
                item.layer.label,
                f"{count} recurrent weight{'s are' if count > 1 else ' is'} NaN or infinite",
                "go back to the last finite checkpoint, clip gradients or lower the learning rate",
                {"non_finite": count},
            )


RULE = Rule(
    code="RD101",
    title="non-finite recurrent weights",
    severity="error",
    threshold="one value",
    source="IEEE 754: a sum with NaN is NaN",
    documentation=__doc__ or "",
    check=check,
    needs=(LAYERS,),
)
