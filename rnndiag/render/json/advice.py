"""What `suggest` advises, as JSON."""

from __future__ import annotations

from rnndiag.advice import Advice
from rnndiag.render.json import clipping
from rnndiag.render.json.plain import Object


def show(advice: Advice | None) -> Object | None:
    """The keys of `advice`; None where none was asked for."""
    if advice is None:
        return None
    truncation = advice.truncation
    return {
        "clipping": clipping.show(advice.clipping),
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
