"""The clip value, as JSON."""

from __future__ import annotations

from rnndiag.advice import ClippingAdvice
from rnndiag.render.json.plain import Object


def show(clipping: ClippingAdvice) -> Object:
    """The keys of `advice.clipping`."""
    setting = clipping.setting
    return {
        "max_norm": clipping.max_norm,
        "basis": clipping.basis,
        "range": clipping.reasonable_range,
        "reason": clipping.reason,
        "caveats": clipping.caveats,
        "setting": None if setting is None else {"name": setting[0], "value": setting[1]},
    }
