"""What `suggest` advises, as JSON."""

from __future__ import annotations

import dataclasses

import numpy as np

from rnndiag.advice import Advice, Change, TruncationAdvice
from rnndiag.measure.truncation import TruncationCurves
from rnndiag.render.json import clipping
from rnndiag.render.json.plain import Object


def show(advice: Advice | None) -> Object | None:
    """The keys of `advice`; None where none was asked for."""
    if advice is None:
        return None
    return {
        "clipping": clipping.show(advice.clipping),
        "truncation": _truncation(advice.truncation),
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


def _truncation(truncation: TruncationAdvice) -> Object:
    evidence, present = truncation.evidence, truncation.present
    return {
        "status": truncation.status,
        "bias": truncation.bias,
        "lags": truncation.lags,
        "window": truncation.window,
        "chunk": truncation.chunk,
        "layer": truncation.layer,
        "drive": truncation.drive,
        "bidirectional": truncation.both_ways,
        "unknown": truncation.unknown,
        "bias_at": truncation.bias_at,
        "cosine_at": truncation.cosine_at,
        "split_half": None if evidence is None else evidence.half_lags,
        "bias_at_split_half": None if evidence is None else evidence.half_bias,
        "cosine_at_split_half": None if evidence is None else evidence.half_cosine,
        "loss_steps": None if evidence is None else evidence.loss_steps,
        "present": present and dataclasses.asdict(present),
        "curve": truncation.curves and _curve(truncation.curves),
    }


def _curve(curves: TruncationCurves) -> Object | None:
    """Bias and cosine for every number of lags kept, and of steps between two detachings."""
    if curves.is_zero:
        return None
    return {
        "lags": np.arange(1, curves.lags + 1),
        "sliding_bias": curves.sliding.bias,
        "sliding_cosine": curves.sliding.cosine,
        "chunk_bias": curves.chunk.bias,
        "chunk_cosine": curves.chunk.cosine,
    }
