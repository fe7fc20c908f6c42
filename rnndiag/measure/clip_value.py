"""Whether the norms of an optimizer's gradients lie at a clip value, which then hid larger ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.recognise.settings import clip_setting, value_clip_setting

ROUND_NUMBERS = (1.0, 2.0, 2.5, 5.0, 10.0)
"""What people choose as clip values, within a decade."""

CLIPPED_BELOW = 0.01
"""R of a run that is always clipped lies this little below its clip value (measured: 0.0499 at
0.05): a random norm does so for one round number in fifty."""

EXACTLY = 2e-5
"""R of a run that is clipped at every step is its clip value but for the rounding of float32
(measured: 5e-8 to 6e-6). So near to a number of two digits lies one random norm in 600."""

CLIPPED_ABOVE = 1e-4
"""No clipped norm is above its clip value but by rounding (measured: 6e-6 in a real file)."""


def clip_value_at(
    norm: float, files: Sequence[Checkpoint], below: float = CLIPPED_BELOW
) -> float | None:
    """The clip value that a norm lies at: the file's own, or a round number where it names none.

    `norm` is R, the root mean square norm of the gradients that the optimizer saw; None where it is
    not within the share `below` under such a value, and where gradients were clipped by value,
    which leaves no trace in R.
    """
    own = [setting.value for file in files if (setting := clip_setting(file)) is not None]
    if own:
        return next((value for value in own if _lies_at(norm, value, below)), None)
    if norm <= 0.0 or any(value_clip_setting(file) is not None for file in files):
        return None
    for value in _round_numbers(norm):
        if _lies_at(norm, value, below):
            return value
    short = float(f"{norm:.2g}")
    return short if abs(short - norm) <= EXACTLY * norm else None


def _lies_at(norm: float, value: float, below: float) -> bool:
    return -CLIPPED_ABOVE * value <= value - norm <= below * value


def _round_numbers(norm: float) -> list[float]:
    """Those of a norm's own decade."""
    decade = 10.0 ** math.floor(math.log10(norm))
    values = [float(f"{mantissa * decade:.3g}") for mantissa in ROUND_NUMBERS]
    return [value for value in values if math.isfinite(value)]
