"""Where a recorded loss last reaches each sequence, and the trace counted back from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.gradient import GradientNorms, ScaledVectors
from rnndiag.measure.injected import StepNorms
from rnndiag.probe.records import IntArray


@dataclass(frozen=True)
class Seed:
    """One step of every sequence at which the loss reaches h, and the gradient there alone."""

    ends: IntArray
    """Steps up to it, (batch,); 0 for a sequence that the loss never reaches."""

    injected: ScaledVectors
    """Zero at all other steps and on c, (steps, batch, state)."""

    @property
    def seeded(self) -> IntArray:
        """Which sequences have a seed."""
        return np.flatnonzero(self.ends)

    @property
    def vectors(self) -> ScaledVectors:
        """∂L/∂h at the seeds of the sequences that have one, (sequences, state)."""
        at = self.ends[self.seeded] - 1, self.seeded
        return ScaledVectors(self.injected.mantissa[at], self.injected.exponent[at])

    def by_lag(
        self, norms: StepNorms, saturated: dict[str, float], exposure: FloatArray | None
    ) -> GradientNorms:
        """Norms by lag behind the seeds; NaN where a sequence does not reach back so far."""
        lags = np.arange(self.ends.max() + 1)[:, None]
        step = self.ends[self.seeded] - lags

        def shifted(by_step: FloatArray, missing: float) -> FloatArray:
            found = np.take_along_axis(by_step[:, self.seeded], np.maximum(step, 0), axis=0)
            return np.where(step >= 0, found, missing)[:, None]

        # The step from t − 1 to t is entry t of the states' norms and t − 1 of the weights'.
        before = np.full_like(norms.recurrent_weight[:1], -np.inf)
        weights = np.concatenate([before, norms.recurrent_weight])
        return GradientNorms(
            shifted(norms.hidden, np.nan),
            None if norms.cell_state is None else shifted(norms.cell_state, np.nan),
            shifted(weights, -np.inf)[:-1],
            exposure,
            saturated,
        )


def last_seed(injected: ScaledVectors, width: int) -> Seed:
    """The last step of each sequence at which what is injected on h is not zero."""
    hidden = injected.mantissa[..., :width]
    reached = np.abs(hidden).max(axis=-1) > 0.0
    steps = len(reached)
    ends = np.where(reached.any(axis=0), steps - reached[::-1].argmax(axis=0), 0)
    only = np.zeros_like(injected.mantissa)
    there = np.arange(steps)[:, None] == ends - 1
    only[..., :width] = np.where(there[..., None], hidden, 0.0)
    return Seed(ends, ScaledVectors.of(only, injected.exponent))
