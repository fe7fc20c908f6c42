"""The gradient leaves float16's range within the sequence, and the file shows half precision.

Half precision shows in the recurrent weights themselves, in a loss scaler's state, or in a setting
such as `precision: 16-mixed`. What is left of the gradient at the last lag is below 2^-14, the
smallest normal number of float16, under every deciding drive. Trained with half-precision gradients
and a loss scale that suits the last steps, what comes back from the first ones loses bits and then
is exactly zero. float32 and bfloat16 reach down to 10^-38.

Remedy: keep the recurrence in float32 or bfloat16 under autocast, or scale the loss. If the
gradient has vanished for the task as well (RD302), precision is not what is missing.
"""

import math
from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.readings.words import counted
from rnndiag.recognise.layers import RecurrentLayer
from rnndiag.recognise.settings import float16_setting, loss_scales
from rnndiag.rounding import power_of_ten
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import TRACE
from rnndiag.rules.traces import lost, traced


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer whose gradient falls below it under all deciding drives."""
    for layer in traced(result):
        if not half_precision(layer.item.layer, result):
            continue
        gone = lost(layer, rule.limit)
        if gone is not None:
            yield rule.finding(
                layer.label,
                f"in float16 the gradient starts to underflow after {gone.horizon} of "
                f"{counted(gone.steps, 'step')}: it falls to {power_of_ten(gone.left_log10)}, "
                f"below {power_of_ten(math.log10(rule.limit))}",
                "train the recurrence in float32 or bfloat16, or scale the loss",
                {
                    "horizon_float16": gone.horizon,
                    "log10_last": gone.left_log10,
                    "drive": gone.drive.drive,
                },
            )


def half_precision(layer: RecurrentLayer, result: FileResult) -> bool:
    """Whether the weights, a loss scaler or a setting of a file are of float16."""
    return layer.weight_hh.dtype == "float16" or any(
        next(iter(loss_scales(file)), None) is not None or float16_setting(file)
        for file in result.files
    )


RULE = Rule(
    code="RD307",
    title="gradient below float16",
    severity="note",
    threshold="less than {limit:.2g} left at the last lag under every deciding drive, in a file "
    "that shows half precision",
    source="2^-14, the smallest normal number of IEEE 754 binary16",
    documentation=__doc__ or "",
    check=check,
    needs=(TRACE,),
    degree=Degree("horizon_float16", worse="lower"),
    limit=2.0**-14,
)
