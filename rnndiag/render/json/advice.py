"""What `suggest` advises, as JSON."""

from __future__ import annotations

from rnndiag.advice import Advice, Change
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
        "changes": [_change(change) for change in advice.changes],
        "snippets": advice.snippets,
    }


def _change(change: Change) -> Object:
    return {
        "what": change.what,
        "because": change.because,
        "source": change.source,
        "layers": change.layers,
        "evidence": change.evidence,
        "code": change.code,
    }
