"""Several files side by side, and the files that were met and are no checkpoints."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.render.base import by_kind, number
from rnndiag.render.html.beside import beside, longest
from rnndiag.render.html.element import Child, element
from rnndiag.render.html.parts import SHOWN, bullets, table
from rnndiag.render.html.sampling import Sampling
from rnndiag.render.html.verdict import counts, worst
from rnndiag.render.shared.trace import horizon
from rnndiag.render.shared.truncation import truncation_rows
from rnndiag.report import FileReport, Report
from rnndiag.rounding import power_of_ten

HEADERS = (
    *("file", "verdict", "findings", "layers", "half-life (steps)", "to 1e-3", "growth"),
    *("clip at", "lags to keep"),
)


def show(report: Report, sampling: Sampling) -> Iterator[Child]:
    """A row a file, each with a link to its section, and their gradients in one picture."""
    if len(report.files) > 1:
        rows = [_row(file, place) for place, file in enumerate(report.files)]
        yield element("h2", "Overview")
        yield table("All checkpoints", HEADERS, rows, named=True)
        yield element("p", LEGEND, class_="quiet")
        yield beside(report, sampling)


LEGEND = (
    "Verdict: of the layer that needs most attention. Half-life, to 1e-3 and growth: of the layer "
    "whose gradient lasts longest, under the deciding input that keeps it longest."
)


def _row(file: FileReport, place: int) -> list[Child]:
    link = element("a", file.path, href=f"#file-{place}")
    if file.error is not None:
        why = element("div", f"{file.error.code.value}: {file.error.what}", class_="why")
        return [link, worst(file), why, *["-"] * (len(HEADERS) - 3)]
    found = element("div", counts(file) or "none", class_="chips")
    return [link, worst(file), found, *_measures(file), *_advice(file)]


def _measures(file: FileReport) -> list[Child]:
    count = str(len(file.result.layers)) if file.result is not None else "-"
    pair = longest(file)
    if pair is None:
        return [count, "-", "-", "-"]
    _, drive = pair
    return [
        count,
        number(drive.decay.half_life),
        horizon(drive.decay.horizons[2], drive),
        power_of_ten(drive.decay.growth_log10),
    ]


def _advice(file: FileReport) -> list[Child]:
    if file.advice is None:
        return ["-", "-"]
    _, lags, _ = next(truncation_rows(file.advice.truncation))
    return [f"{file.advice.clipping.max_norm:g}", lags]


def skipped(report: Report) -> Iterator[Child]:
    """What lay in a folder and is no recurrent checkpoint."""
    if report.skipped_files:
        yield element("h2", "Skipped")
        yield bullets(by_kind(report.skipped_files, shown=SHOWN))
