"""Which lags and eigenvalues a page holds, so that a file of many layers can still be sent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnndiag.analysis import LayerResult
from rnndiag.render.shared.trace import shown_lags
from rnndiag.report import Report

ROWS = 4200
"""Lags of all curves on a page; one of each curve and its drawing takes some 130 bytes, and a page
is to stay below a megabyte."""

MOST, FEWEST = 400, 40
"""Lags of one curve: more is finer than the picture, fewer would show corners."""

POINTS = 5000
"""Eigenvalues of all layers on a page, of some 50 bytes each."""

FEWEST_POINTS = 60


class Sampling:
    """What of a report's curves and spectra is shown."""

    def __init__(self, report: Report) -> None:
        items = [item for file in report.files if file.result for item in file.result.layers]
        traces = [item.trace for item in items if item.trace is not None]
        curves = sum(len(trace.drives) for trace in traces)
        spectra = sum(item.spectrum is not None for item in items)
        self._lags = max(FEWEST, min(MOST, ROWS // max(1, curves)))
        self.points = max(FEWEST_POINTS, POINTS // max(1, 2 * spectra))
        """Eigenvalues of one matrix, the largest first."""

    def lags(self, item: LayerResult) -> Sequence[int]:
        """Evenly spaced lags, and those that are named in the tables."""
        if item.trace is None:
            return ()
        steps = item.trace.seq_len
        even = np.linspace(0, steps, min(steps + 1, self._lags)).round().astype(int)
        marked = {*shown_lags(item.trace)}
        for drive in item.trace.drives:
            horizons = (lag for lag in drive.decay.horizons if lag is not None and lag >= 0)
            marked.update((drive.decay.growth_lag, *horizons))
        return sorted(marked.union(even.tolist()))
