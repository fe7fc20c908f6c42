"""The same measures of several checkpoints of one model, side by side, in the order given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.measure.drive_trace import DriveTrace

Value = float | int | None


@dataclass(frozen=True)
class Measure:
    """One number that every checkpoint of a model has."""

    key: str
    """As the JSON names it."""

    title: str
    """As a table names it, with its unit."""

    value: Callable[[LayerResult, DriveTrace | None], Value]
    """Of one layer and its trace under the drive that is compared; None where it has none."""

    ratio: bool = False
    """Whether a change in percent says more than a difference: of sizes, not of logarithms."""


@dataclass(frozen=True)
class Row:
    """One measure of all checkpoints."""

    measure: Measure
    values: tuple[Value, ...]
    """In the order of the files; None where a file has none."""

    @property
    def change(self) -> float | None:
        """Last value minus the first; None unless both are there and finite."""
        first, last = self.values[0], self.values[-1]
        if first is None or last is None or not np.isfinite([first, last]).all():
            return None
        return last - first

    @property
    def relative_change(self) -> float | None:
        """The change as a share of the first value, of a measure for which that says something."""
        first = self.values[0]
        return self.change / first if self.measure.ratio and self.change and first else None


@dataclass(frozen=True)
class LayerComparison:
    """One layer in one direction, in all checkpoints."""

    labels: tuple[str | None, ...]
    """What each file calls it; None where it has no such layer."""

    drive: str
    """The input under which traces are compared, the same in all; "" without traces."""

    rows: tuple[Row, ...]

    @property
    def label(self) -> str:
        """What the newest file that has the layer calls it."""
        return next(label for label in reversed(self.labels) if label is not None)


def compare(files: Sequence[FileResult]) -> tuple[LayerComparison, ...]:
    """Every layer of any file, in the order of the newest.

    Layers of the same label belong together; where two files share no label (a wrapper's prefix
    came or went), layers of the same kinds and sizes do, in their order. Raises RnndiagError
    (RD007) for files that are not of one model: no layer in common, or one of another cell.
    """
    newest = files[-1].layers
    columns = [_matched(file.layers, newest) for file in files]
    for file, column in zip(files, columns, strict=True):
        if not any(item is not None for item in column):
            names = f"one file has {_names(file.layers)}, the last {_names(newest)}"
            raise _other_model(f"no layer in common: {names}")
    rows = list(zip(*columns, strict=True))
    for row in rows:
        cells = {item.layer.cell for item in row if item is not None}
        if len(cells) > 1:
            raise _other_model(
                f"{row[-1].layer.label} is not the same cell: {', '.join(sorted(cells))}"
            )
    return tuple(map(_compare_layer, rows))


def _other_model(what: str) -> RnndiagError:
    return RnndiagError(InputCode.USAGE, what, "compare checkpoints of one model")


def _matched(
    items: Sequence[LayerResult], newest: Sequence[LayerResult]
) -> list[LayerResult | None]:
    """For each of the newest file's layers, the one of this file that it was."""
    by_label = {item.layer.label: item for item in items}
    if not any(item.layer.label in by_label for item in newest):
        same_shapes = [_shape(item) for item in items] == [_shape(item) for item in newest]
        return list(items) if same_shapes else [None] * len(newest)
    return [by_label.get(item.layer.label) for item in newest]


def _shape(item: LayerResult) -> tuple[object, ...]:
    layer = item.layer
    sizes = (layer.input_size, layer.hidden_size, layer.projection_size)
    return (layer.layer, layer.direction, layer.cell, *sizes)


def _names(items: Sequence[LayerResult]) -> str:
    return ", ".join(item.layer.label for item in items[:4])


def _compare_layer(items: Sequence[LayerResult | None]) -> LayerComparison:
    newest = items[-1]
    drive = newest.trace.headline.drive if newest is not None and newest.trace is not None else ""
    rows = [
        Row(measure, tuple(_value(measure, item, drive) for item in items)) for measure in MEASURES
    ]
    rows.append(Row(MOVED, tuple(_moved(items))))
    return LayerComparison(
        labels=tuple(None if item is None else item.layer.label for item in items),
        drive=drive,
        rows=tuple(row for row in rows if any(value is not None for value in row.values)),
    )


def _value(measure: Measure, item: LayerResult | None, drive: str) -> Value:
    if item is None:
        return None
    traces = item.trace.drives if item.trace is not None else ()
    return measure.value(item, next((trace for trace in traces if trace.drive == drive), None))


def _moved(items: Sequence[LayerResult | None]) -> Iterator[Value]:
    """‖W_hh − W_hh of the file before‖_F / ‖W_hh of the file before‖_F."""
    before: np.ndarray | None = None
    for item in items:
        here = None if item is None else np.asarray(item.layer.weight_hh.load(), dtype=np.float64)
        comparable = before is not None and here is not None and before.shape == here.shape
        if comparable and before is not None and here is not None:
            norm = float(np.linalg.norm(before))
            yield float(np.linalg.norm(here - before)) / norm if norm else None
        else:
            yield None
        before = here


MOVED = Measure("weight_change", "W_hh moved since the file before (share)", lambda *_: None)


def _largest_norm(item: LayerResult, _: DriveTrace | None) -> Value:
    if item.spectrum is None:
        return None
    return max(block.spectral_norm for block in item.spectrum.blocks)


def _jacobian_radius(item: LayerResult, _: DriveTrace | None) -> Value:
    return None if item.spectrum is None else item.spectrum.settling.jacobian.spectral_radius


def _plain_radius(item: LayerResult, _: DriveTrace | None) -> Value:
    if item.spectrum is None or item.layer.cell != "rnn":
        return None
    return item.spectrum.blocks[0].spectral_radius


def _of_trace(read: Callable[[DriveTrace], Value]) -> Callable[..., Value]:
    return lambda _, trace: None if trace is None else read(trace)


def _exponent(trace: DriveTrace) -> Value:
    return None if trace.growth is None else float(trace.growth.lyapunov.exponents[0])


MEASURES: tuple[Measure, ...] = (
    Measure("spectral_norm", "largest spectral norm of a W_hh block", _largest_norm, ratio=True),
    Measure("spectral_radius", "spectral radius of W_hh", _plain_radius, ratio=True),
    Measure(
        "jacobian_radius", "spectral radius of the step Jacobian", _jacobian_radius, ratio=True
    ),
    Measure("seq_len", "steps traced", _of_trace(lambda t: len(t.log10_gradient_norm) - 1)),
    Measure("rate_per_step", "rate (nats/step)", _of_trace(lambda t: t.decay.rate_per_step)),
    Measure("half_life", "half-life (steps)", _of_trace(lambda t: t.decay.half_life), ratio=True),
    Measure("horizon_1e3", "last lag above 1e-3", _of_trace(lambda t: t.decay.horizons[2])),
    Measure("growth_log10", "growth (decades)", _of_trace(lambda t: t.decay.growth_log10)),
    Measure(
        "log10_last",
        "log10 gradient at the last lag",
        _of_trace(lambda t: float(t.log10_gradient_norm[-1])),
    ),
    Measure("lyapunov", "largest Lyapunov exponent (nats/step)", _of_trace(_exponent)),
    Measure("dead_cells", "dead memory cells", _of_trace(lambda t: t.dead_cells)),
    Measure("non_finite", "weights that are not finite", lambda item, _: item.weights.non_finite),
)
"""What is compared, in the order shown."""
