"""What a comment says of several checkpoints of one model."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.comparison import LayerComparison
from rnndiag.render.base import number
from rnndiag.render.markdown.escape import code, text
from rnndiag.render.markdown.parts import details, table
from rnndiag.report import Report


def show(report: Report) -> Iterator[str]:
    """The files by number, and a table of measures for each layer."""
    yield table(["", "file"], [[str(n), code(f.path)] for n, f in enumerate(report.files, 1)])
    for layer in report.comparison:
        drive = f", gradients under {text(layer.drive)} input" if layer.drive else ""
        yield details(f"{code(layer.label)}{drive}", [_layer(layer)], is_open=True)


def _layer(layer: LayerComparison) -> str:
    headers = ["measure", *(str(n + 1) for n in range(len(layer.labels))), "change"]
    return table(
        headers,
        [
            [text(row.measure.title), *map(number, row.values), number(row.change)]
            for row in layer.rows
        ],
    )
