"""From results to a clip value, a truncation length, changes worth making and code to paste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rnndiag.advice.changes import Change, propose
from rnndiag.advice.clipping import ClipEvidence, ClippingAdvice, advise_clipping
from rnndiag.advice.norm_shares import norm_shares
from rnndiag.advice.present_clip import PresentClip, judge_norm, judge_value
from rnndiag.advice.snippets import FRAMEWORKS
from rnndiag.advice.truncation import DEFAULT_BIAS, TruncationAdvice, advise_truncation
from rnndiag.analysis import FileResult
from rnndiag.measure.clip_value import clip_value_at
from rnndiag.recognise.settings import (
    Setting,
    clip_setting,
    truncation_setting,
    value_clip_setting,
)
from rnndiag.rules import DEFAULT_LIMITS, Limits

__all__ = ["Advice", "AdviceRequest", "Change", "ClippingAdvice", "TruncationAdvice", "advise"]


@dataclass(frozen=True)
class AdviceRequest:
    """What advice is wanted, and what is known beyond the file."""

    bias: float = DEFAULT_BIAS
    """Relative bias of the truncated gradient that is accepted, between 0 and 1."""

    logged_norms: Sequence[float] = ()
    """Norms of the whole gradient before clipping, logged while training; inf and NaN are counted
    and left out."""

    logged_as: str = ""
    """What the log calls them, where that leaves it open what they are."""

    probe_norms: Sequence[float] | None = None
    """The same, captured over steps of the user's own data and loss at this checkpoint; None
    without a probe."""

    framework: str = "torch"
    """Which one of FRAMEWORKS code is wanted for."""

    truncation: int | None = None
    """Steps that are propagated through now, to be judged; None: as the file says."""


@dataclass(frozen=True)
class Advice:
    """Everything `suggest` says of one file."""

    clipping: ClippingAdvice
    truncation: TruncationAdvice

    snippets: dict[str, str]
    """Code for the framework that was asked for, under its name."""

    changes: tuple[Change, ...] = ()
    """Changes worth making; none for a healthy network."""


NO_NORMS = (
    "the probe has no gradient norms: no parameter's .grad was added to while it was recorded, as "
    "with torch.func.grad and torch.autograd.grad, which hand gradients back"
)


def advise(
    result: FileResult, request: AdviceRequest | None = None, limits: Limits = DEFAULT_LIMITS
) -> Advice:
    """Advice for a file whose layers were traced, at the rules' thresholds in force."""
    request = request or AdviceRequest()
    clipping = _clipping(result, request, limits["RD403"])
    truncation = advise_truncation(
        result.layers, request.bias, _present_truncation(result, request)
    )
    framework = FRAMEWORKS[request.framework]
    snippets = {framework.name: framework.snippet(clipping, truncation)}
    return Advice(clipping, truncation, snippets, propose(result, limits))


def _clipping(result: FileResult, request: AdviceRequest, below: float) -> ClippingAdvice:
    """Advice on clipping; norms less than a share `below` under a clip value lie at it (RD403)."""
    state = result.training_state
    if state is not None and state.gradient_rms_norm is not None:
        clipped_at = clip_value_at(state.gradient_rms_norm, result.files, below)
        state = replace(state, clipped_at=clipped_at)
    norms = request.logged_norms, request.probe_norms or ()
    evidence = ClipEvidence(*norms, state, request.logged_as)
    shares = norm_shares(result.training_state, result.recognition.modules)
    advice = advise_clipping(evidence, _present_clip(result, evidence), shares)
    if request.probe_norms is None or len(request.probe_norms):
        return advice
    return replace(advice, caveats=(NO_NORMS, *advice.caveats))


def _present_clip(result: FileResult, evidence: ClipEvidence) -> PresentClip | None:
    """The clip setting in the files, by norm before one by value."""
    by_norm = clip_setting(*result.files)
    if by_norm is not None:
        return judge_norm(by_norm, *evidence.measured, evidence.state)
    by_value = value_clip_setting(*result.files)
    return None if by_value is None else judge_value(by_value, evidence.state)


def _present_truncation(result: FileResult, request: AdviceRequest) -> Setting | None:
    """The truncation in use, and who says so."""
    if request.truncation is not None:
        return Setting("given", request.truncation)
    return truncation_setting(*result.files)
