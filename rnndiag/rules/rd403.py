"""Clipping was active at practically every step.

The root mean square of the gradient norms that the optimizer saw, R, lies within 1 % of the clip
value that the file names, or, where it names none, of a round number. Norms that vary do not do
that by themselves; norms that are all cut to the same value do. Then every step has the same length
whatever the loss says, the learning rate and the clip value are one knob, and the true norms are
not in the file. Without a clip value in the file it is an inference: a norm lies this near 1, 2,
2.5, 5 or a tenth or tenfold of them by chance in 3 to 4 of 100 files.

Remedy: log the norm that clip_grad_norm_ returns and set the clip value near its 95th percentile
(`rnndiag suggest --norms FILE`). Nothing, if normalised steps are what you want.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.measure.clip_value import CLIPPED_BELOW, clip_value_at
from rnndiag.recognise.settings import clip_setting
from rnndiag.rounding import judged
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import GRADIENT_NORM
from rnndiag.rules.training import OPTIMIZER_LABEL


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for a file whose R is at a clip value."""
    state = result.training_state
    if state is None or state.gradient_rms_norm is None:
        return
    norm = state.gradient_rms_norm
    setting = clip_setting(*result.files)
    named = setting is not None and setting.value > 0
    inferred = clip_value_at(norm, result.files, rule.limit)
    clip = setting.value if setting is not None and named else inferred
    if clip is not None and judged(abs(norm / clip - 1.0)) <= rule.limit:
        says = "the file's clip value" if named else "the round number"
        yield rule.finding(
            OPTIMIZER_LABEL,
            f"clipping was {'' if named else 'probably '}always active: the gradients' RMS norm, "
            f"{norm:.4g}, lies at {says} {clip:g}",
            "set it near the 95th percentile of the logged norms, unless that is intended",
            {"gradient_rms_norm": norm, "clip": clip},
        )


RULE = Rule(
    code="RD403",
    title="clipping always active",
    severity="note",
    threshold="RMS norm within {limit:g} of the clip value in the file, else of a round number",
    source="a run that was always clipped at 0.05 measured 0.0499, where one that rarely was had "
    "0.39 at a clip value of 1",
    documentation=__doc__ or "",
    check=check,
    needs=(GRADIENT_NORM,),
    limit=CLIPPED_BELOW,
)
