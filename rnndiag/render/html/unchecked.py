"""What was not checked, and why: silence is not a pass."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.analysis import FileResult
from rnndiag.render.html.element import Child
from rnndiag.render.html.parts import bullets, shortened
from rnndiag.render.shared.file import imports
from rnndiag.report import FileReport


def show(file: FileReport, result: FileResult) -> Iterator[Child]:
    """One list, from what concerns the whole verdict to single tensors."""
    yield bullets(
        [
            *_data(result),
            *_layers(result),
            *_rules(file),
            *_tensors(result),
            *(f"{line[:1].upper()}{line[1:]}." for line in imports(_foreign(result))),
        ]
    )


def _foreign(result: FileResult) -> tuple[str, ...]:
    return result.checkpoint.foreign_imports


def _data(result: FileResult) -> Iterator[str]:
    """A verdict on made-up input is not one on the reader's data."""
    drives = {drive.drive for item in result.layers if item.trace for drive in item.trace.drives}
    if drives and not drives & {"given", "probe"}:
        yield (
            "Your data and your loss: gradients were traced on synthetic input and from random "
            "loss gradients. For a verdict on your own, give `--input FILE`, or record a training "
            "step with `rnndiag.capture` and give `--probe FILE`."
        )


def _layers(result: FileResult) -> Iterator[str]:
    missing = [item for item in result.layers if item.not_measured is not None]
    yield from shortened([f"{i.layer.label}: not measured: {i.not_measured}" for i in missing])


def _rules(file: FileReport) -> Iterator[str]:
    """Rules that had nothing to look at, by reason."""
    by_reason: dict[str, list[str]] = {}
    for rule in file.not_applicable:
        by_reason.setdefault(rule.reason, []).append(rule.code)
    for reason, codes in by_reason.items():
        yield f"Rules that do not apply: {', '.join(codes)} ({reason})."


def _tensors(result: FileResult) -> Iterator[str]:
    unrecognised = [
        f"Not recognised: {entry.name} ({' x '.join(map(str, entry.shape))}): {entry.reason}"
        for entry in result.recognition.unrecognised
    ]
    yield from shortened(unrecognised)
    yield from shortened([f"Not read: {s.name}: {s.reason}" for s in result.checkpoint.skipped])
