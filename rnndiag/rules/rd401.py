"""The optimizer's running averages hold NaN or infinite values.

The weights may still be finite: a step that was skipped, or a scaler that caught the overflow after
the averages were written. Resumed from this file, the next step writes the NaN into the weights.

Remedy: resume from an earlier checkpoint, or with a fresh optimizer; check gradients for finite
values before the step (`error_if_nonfinite=True` of torch.nn.utils.clip_grad_norm_).
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import OPTIMIZER
from rnndiag.rules.training import OPTIMIZER_LABEL


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for a state with such values."""
    state = result.training_state
    if state is not None and state.non_finite:
        count = state.non_finite
        yield rule.finding(
            OPTIMIZER_LABEL,
            f"{count} value{'s' if count > 1 else ''} of the optimizer's running averages "
            f"{'are' if count > 1 else 'is'} NaN or infinite",
            "resume from an earlier checkpoint, or with a fresh optimizer",
            {"non_finite": count},
        )


RULE = Rule(
    code="RD401",
    title="non-finite optimizer state",
    severity="error",
    threshold="one value",
    source="IEEE 754: an average with NaN is NaN at every later step",
    documentation=__doc__ or "",
    check=check,
    needs=(OPTIMIZER,),
)
