"""A weight or running statistic outside the recurrence is NaN: the model answers NaN to everything.

An embedding, a readout or a batch norm with NaN spoils every output, however sound the recurrence
between them is. It comes from one step whose gradient was not finite; with sparse gradients, or a
step that a loss scaler skipped, it may reach an embedding or the running statistics of a norm and
nothing else. All tensors of the model are read for it. NaN counts in any of them; infinity in a
running statistic, and +inf in a weight or a bias. Tables of −inf are legitimate (masks), as are
scores, metrics and what callbacks keep; the optimizer's averages are RD401's and recurrent weights
RD101's. A recurrence that could not be measured counts here; a file with nothing recurrent in it is
looked at only for whether all of its matrices are NaN.

Remedy: go back to the last checkpoint that passes. If only running statistics are NaN, the weights
may be sound: reset them (`reset_running_stats()`) and run the model over training data once. Then
stop training on a loss that is not finite, and clip gradients by norm before the step.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.readings.words import counted, listed
from rnndiag.recognise.model_weights import is_statistic
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import OTHER_WEIGHTS


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for a file, under the name of the first such tensor."""
    spoilt = result.spoilt or ()
    if not spoilt:
        return
    values, tensors = sum(each.count for each in spoilt), len(spoilt)
    names = listed([f"{each.name} ({each.count} of {each.size})" for each in spoilt])
    where = "the model outside the recurrence" if result.layers else "the model"
    yield rule.finding(
        spoilt[0].name,
        f"{counted(values, 'value')} in {counted(tensors, 'tensor')} of {where} "
        f"{'is' if values == 1 else 'are'} NaN or infinite: {names}",
        "reset the running statistics and run the model over training data, or go back to the last "
        "finite checkpoint"
        if all(is_statistic(each.name) for each in spoilt)
        else "go back to the last finite checkpoint, and stop training when a loss is not finite",
        {"non_finite": values, "tensors": tensors},
    )


RULE = Rule(
    code="RD105",
    title="NaN outside the recurrence",
    severity="error",
    threshold="one value",
    source="IEEE 754: a sum with NaN is NaN, and so is the softmax of an infinite score",
    documentation=__doc__ or "",
    check=check,
    needs=(OTHER_WEIGHTS,),
)
