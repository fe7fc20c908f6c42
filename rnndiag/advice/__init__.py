"""From results to a clip value, a truncation length and code to paste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnndiag.advice.clipping import ClippingAdvice, advise_clipping
from rnndiag.advice.snippets import torch_snippet
from rnndiag.advice.truncation import DEFAULT_BIAS, TruncationAdvice, advise_truncation
from rnndiag.analysis import FileResult
from rnndiag.recognise.settings import Setting, clip_setting, truncation_setting

__all__ = ["Advice", "AdviceRequest", "ClippingAdvice", "TruncationAdvice", "advise"]


@dataclass(frozen=True)
class AdviceRequest:
    """What advice is wanted, and what is known beyond the file."""

    bias: float = DEFAULT_BIAS
    """Relative bias of the truncated gradient that is accepted, between 0 and 1."""

    logged_norms: Sequence[float] = ()
    """Norms of the whole gradient before clipping, logged while training."""

    truncation: int | None = None
    """Steps that are propagated through now, to be judged; None: as the file says."""


@dataclass(frozen=True)
class Advice:
    """Everything `suggest` says of one file."""

    clipping: ClippingAdvice
    truncation: TruncationAdvice

    snippets: dict[str, str]
    """Code by framework: "torch"."""


def advise(result: FileResult, request: AdviceRequest | None = None) -> Advice:
    """Advice for a file whose layers were traced."""
    request = request or AdviceRequest()
    setting = clip_setting(result.checkpoint)
    clipping = advise_clipping(result.training_state, setting, request.logged_norms)
    truncation = advise_truncation(result.layers, request.bias, _present(result, request))
    return Advice(clipping, truncation, {"torch": torch_snippet(clipping, truncation)})


def _present(result: FileResult, request: AdviceRequest) -> Setting | None:
    """The truncation in use, and who says so."""
    if request.truncation is not None:
        return Setting("given", request.truncation)
    return truncation_setting(result.checkpoint)
