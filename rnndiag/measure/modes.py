"""One mode of a step Jacobian: how long it lasts, and how often it turns."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

from rnndiag.rounding import judged

LEAST_ANGLE = 5e-7
"""Of an eigenvalue in radians: below, its imaginary part is not among the six digits that count."""

SPENT = 100.0
"""Nats by which a mode may shrink or grow while it turns once: 4e-44 of it is left."""


@dataclass(frozen=True)
class Mode:
    """One direction in which a small perturbation of the state decays, grows or turns."""

    eigenvalue: complex
    """Its factor per step."""

    @property
    def time_constant(self) -> float | None:
        """−1/ln|λ| in steps, after which a part 1/e of it is left; None unless 0 < |λ| < 1.

        Judged as shown: an eigenvalue that is 1 but for its last bits has none of 1e15 steps.

        >>> round(Mode(0.9).time_constant, 2)
        9.49
        """
        size = abs(self.eigenvalue)
        return -1.0 / math.log(size) if size > 0.0 and judged(size) < 1.0 else None

    @property
    def period(self) -> float | None:
        """2π/|arg λ| in steps; None where it does not turn, or is gone long before it has.

        An n-fold eigenvalue that no n directions share is split by rounding, about 1e-16^(1/n)
        apart: the angles of its parts are no turning.

        >>> Mode(0.9 + 1e-6j).period is None, round(Mode(0.9j).period, 9)
        (True, 4.0)
        """
        size, angle = abs(self.eigenvalue), abs(cmath.phase(self.eigenvalue))
        # A zero has an angle, too: that of -0.0 is π.
        if size == 0.0 or angle < LEAST_ANGLE:
            return None
        period = 2.0 * math.pi / angle
        return period if period * abs(math.log(size)) < SPENT else None
