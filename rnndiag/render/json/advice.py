"""What `suggest` advises, as JSON."""

from __future__ import annotations

from rnndiag.advice import Advice
from rnndiag.render.json.plain import Object


def show(advice: Advice | None) -> Object | None:
    """The keys of `advice`; None where none was asked for."""
    if advice is None:
        return None
    clipping, truncation = advice.clipping, advice.truncation
    setting = clipping.setting
    return {
        "clipping": {
            "max_norm": clipping.max_norm,
            "basis": clipping.basis,
            "range": clipping.reasonable_range,
            "reason": clipping.reason,
            "caveats": clipping.caveats,
            "setting": None if setting is None else {"name": setting[0], "value": setting[1]},
        },
        "truncation": {
            "status": truncation.status,
            "bias": truncation.bias,
            "lags": truncation.lags,
            "window": truncation.window,
            "chunk": truncation.chunk,
            "layer": truncation.layer,
            "drive": truncation.drive,
        },
        "changes": [],
        "snippets": advice.snippets,
    }
