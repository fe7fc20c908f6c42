"""A recurrence that the loss hardly reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rnndiag.advice.changes.base import Change
from rnndiag.analysis import FileResult
from rnndiag.measure.second_moment import TITLES
from rnndiag.rounding import judged
from rnndiag.rules import DEFAULT_LIMITS, Limits
from rnndiag.rules.rd102 import untrained
from rnndiag.rules.rd402 import Extent, RecurrentGradient, recurrent_gradients


def propose(result: FileResult, limits: Limits = DEFAULT_LIMITS) -> Iterator[Change]:
    """Name layers whose W_hh has gradients orders of magnitude below everything else's."""
    starved = starved_layers(result, limits)
    for extent, what in _WHAT.items():
        found = {
            label: gradient.ratio
            for label, gradient in starved.items()
            if gradient.extent(limits["RD402"]) == extent
        }
        if found and result.training_state is not None:
            worst = min(found.values())
            kind = TITLES[result.training_state.optimizer]
            yield Change(
                what=what,
                because=(
                    f"the gradients of W_hh are {worst:.1g} times the size of the others' "
                    f"(root mean square per element, median; {kind} state){_ALSO[extent]}"
                ),
                source="RD402; the second moments are those of Kingma & Ba 2015",
                layers=tuple(found),
                evidence={"gradient_ratio": worst},
            )


_WHAT: Mapping[Extent, str] = {
    "recurrence": (
        "find out what keeps the loss from the recurrence: a state that is reset or detached "
        "at every step, an output nobody reads, a loss weighted down to nothing"
    ),
    "inputs": (
        "look at what the layer is fed: inputs and states that are next to zero teach it nothing"
    ),
    "layer": (
        "find out why nothing comes back through the layer: units saturated by inputs of the wrong "
        "scale, an output nobody reads, a loss weighted down to nothing"
    ),
}

_ALSO: Mapping[Extent, str] = {
    "recurrence": "",
    "inputs": ", and those of W_ih are as small",
    "layer": ", and those of the whole layer are as small: a detached state starves W_hh alone",
}


def starved_layers(
    result: FileResult, limits: Limits = DEFAULT_LIMITS
) -> dict[str, RecurrentGradient]:
    """By label, the gradients of trained layers that RD402 finds at the threshold in force."""
    gradients = recurrent_gradients(result)
    return {
        label: gradients[label]
        for item in result.layers
        if (label := item.layer.label) in gradients
        and not untrained(item, limits["RD102"])
        and judged(gradients[label].ratio) < limits["RD402"]
    }
