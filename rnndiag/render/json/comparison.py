"""What `diff` compares, as JSON."""

from __future__ import annotations

from rnndiag.comparison import LayerComparison
from rnndiag.render.json.plain import Object


def show(layer: LayerComparison) -> Object:
    """One layer's measures, each with a value for every file in the order given."""
    return {
        "layer": layer.label,
        "labels": layer.labels,
        "drive": layer.drive,
        "measures": {row.measure.key: row.values for row in layer.rows},
        "changes": {row.measure.key: row.change for row in layer.rows},
    }
