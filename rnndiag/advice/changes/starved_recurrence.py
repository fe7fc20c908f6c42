"""A recurrence that the loss hardly reaches."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.advice.changes.base import Change
from rnndiag.analysis import FileResult
from rnndiag.measure.second_moment import TITLES
from rnndiag.rounding import judged
from rnndiag.rules.rd402 import RULE, recurrent_gradients


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
    """Label to W_hh's RMS gradient over the others' median, of trained layers RD402 finds."""
    gradients = recurrent_gradients(result)
    return {
        label: gradients[label].ratio
        for item in result.layers
        if (label := item.layer.label) in gradients
        and not item.weights.recurrence_untrained
        and judged(gradients[label].ratio) < RULE.limit
    }
