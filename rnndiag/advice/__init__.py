"""From results to a clip value, a truncation length and code to paste."""

from __future__ import annotations

from dataclasses import dataclass

from rnndiag.advice.clipping import ClippingAdvice, advise_clipping
from rnndiag.advice.snippets import torch_snippet
from rnndiag.advice.truncation import DEFAULT_BIAS, TruncationAdvice, advise_truncation
from rnndiag.analysis import FileResult
from rnndiag.measure.training_state import clip_setting

__all__ = ["Advice", "ClippingAdvice", "TruncationAdvice", "advise"]


@dataclass(frozen=True)
class Advice:
    """Everything `suggest` says of one file."""

    clipping: ClippingAdvice
    truncation: TruncationAdvice

    snippets: dict[str, str]
    """Code by framework: "torch"."""


def advise(result: FileResult, bias: float = DEFAULT_BIAS) -> Advice:
    """Advice for a file whose layers were traced."""
    clipping = advise_clipping(result.training_state, clip_setting(result.checkpoint))
    truncation = advise_truncation(result.layers, bias)
    return Advice(clipping, truncation, {"torch": torch_snippet(clipping, truncation)})
