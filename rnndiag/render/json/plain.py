"""Numbers as JSON has them: twelve significant digits, and words for what is not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Object = dict[str, Any]


def plain(value: Any) -> Any:
    """Numbers as JSON has them: a non-finite one is null beside "non_finite", or text in a list."""
    if isinstance(value, Mapping):
        return _plain_object(value)
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_non_finite(v) if _is_non_finite(v) else plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.12g}")
    return value


def _plain_object(value: Mapping[str, Any]) -> Object:
    made: Object = {}
    for key, item in value.items():
        if _is_non_finite(item):
            made[key] = None
            made["non_finite"] = _non_finite(item)
        else:
            made[key] = plain(item)
    return made


def _is_non_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _non_finite(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
