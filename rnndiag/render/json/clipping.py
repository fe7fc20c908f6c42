"""The clip value, as JSON."""

from __future__ import annotations

from rnndiag.advice import ClippingAdvice
from rnndiag.advice.norm_shares import NormShares
from rnndiag.advice.present_clip import PresentClip
from rnndiag.render.json.plain import Object


def show(clipping: ClippingAdvice) -> Object:
    """The keys of `advice.clipping`."""
    return {
        "max_norm": clipping.max_norm,
        "basis": clipping.basis,
        "range": clipping.reasonable_range,
        "reason": clipping.reason,
        "caveats": clipping.caveats,
        "fires": clipping.fires,
        "norms_not_finite": clipping.non_finite,
        "setting": _setting(clipping.present),
        "shares": _shares(clipping.shares),
    }


def _setting(present: PresentClip | None) -> Object | None:
    """The file's own."""
    if present is None:
        return None
    return {
        "name": present.name,
        "value": present.value,
        "algorithm": present.algorithm,
        "effect": present.effect,
        "fires": present.fires,
        "fires_at_most": present.fires_at_most,
    }


def _shares(shares: NormShares | None) -> Object | None:
    """Of the squared norm, by parameter."""
    if shares is None:
        return None
    return {
        "recurrent": shares.recurrent,
        "recurrent_norm": shares.recurrent_norm,
        "parameters": {one.name: one.share for one in shares.parameters},
    }
