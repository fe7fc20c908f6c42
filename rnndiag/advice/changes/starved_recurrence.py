"""A recurrence that the loss hardly reaches."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from rnndiag.advice.changes.base import Change
from rnndiag.analysis import FileResult
from rnndiag.measure.second_moment import TITLES
from rnndiag.rounding import judged

STARVED = 1e-3
"""RMS gradient of W_hh, in shares of the other parameters' median, that is called starved, as by
RD402: of 33 layers in 10 files healthy ones have 0.08 to 1.2, the two starved ones 4e-6 and 0."""


def propose(result: FileResult) -> Iterator[Change]:
    """Name layers whose W_hh has gradients orders of magnitude below everything else's."""
    starved = starved_layers(result)
    if not starved or result.training_state is None:
        return
    worst = min(starved.values())
    yield Change(
        what=(
            "find out what keeps the loss from the recurrence: a state that is reset or detached "
            "at every step, an output nobody reads, a loss weighted down to nothing"
        ),
        because=(
            f"the gradients of W_hh are {worst:.1g} times the size of the other parameters' (root "
            f"mean square per element, median; {TITLES[result.training_state.optimizer]} state)"
        ),
        source="RD402; the second moments are those of Kingma & Ba 2015",
        layers=tuple(starved),
        evidence={"gradient_ratio": worst},
    )


def starved_layers(result: FileResult) -> dict[str, float]:
    """Label to W_hh's RMS gradient over the others' median, of layers trained and below STARVED."""
    state = result.training_state
    if state is None or not state.mapped:
        return {}
    sizes = {one.name: one.rms for one in state.per_parameter}
    recurrent = {layer.keys[0] for module in result.recognition.modules for layer in module.flat}
    rest = [size for name, size in sizes.items() if name not in recurrent]
    usual = statistics.median(rest) if rest else 0.0
    return {
        item.layer.label: sizes[item.layer.keys[0]] / usual
        for item in result.layers
        if usual > 0.0
        and not item.weights.recurrence_untrained
        and judged(sizes.get(item.layer.keys[0], usual) / usual) < STARVED
    }
