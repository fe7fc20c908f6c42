"""The recurrence is starved: its gradients are orders of magnitude below the other parameters'.

The second moment of Adam, RMSprop or Adagrad tells the root mean square of each parameter's
gradient over recent steps. That of a layer's W_hh is compared with the median of the parameters
outside the recurrence. Adam hides it, since it divides each gradient by its own size, so the
weights still move, by noise. Usual causes: sequences of one step, a state that is detached or reset
at every step, a branch of the model that the loss does not see (in a real actor-critic file the
critic's LSTM is at 4·10^-6 of the median, the actor's at 0.1).

Remedy: check that the loss depends on this layer through more than one step.
"""

import math
from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

from rnndiag.analysis import FileResult
from rnndiag.rounding import judged
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import MAPPED_GRADIENTS


class RecurrentGradient(NamedTuple):
    """How large one layer's W_hh gradients are, beside those of everything that is not W_hh."""

    rms: float
    usual: float
    """Median over the parameters that are no W_hh; above 0."""

    @property
    def ratio(self) -> float:
        """The one over the other."""
        return self.rms / self.usual


def recurrent_gradients(result: FileResult) -> dict[str, RecurrentGradient]:
    """By label, of every layer whose W_hh has optimizer state; of none where nothing is known."""
    state = result.training_state
    if state is None or not state.mapped:
        return {}
    sizes = {gradient.name: gradient.rms for gradient in state.per_parameter}
    recurrent = {layer.keys[0] for module in result.recognition.modules for layer in module.flat}
    rest = [size for name, size in sizes.items() if name not in recurrent]
    usual = median(rest) if rest else 0.0
    return {
        item.layer.label: RecurrentGradient(sizes[item.layer.keys[0]], usual)
        for item in result.layers
        if usual > 0.0 and item.layer.keys[0] in sizes
    }


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer whose W_hh has so small a gradient."""
    for label, gradient in recurrent_gradients(result).items():
        if judged(gradient.ratio) < rule.limit:
            yield rule.finding(
                label,
                f"starved recurrence: the RMS gradient of W_hh is {gradient.rms:.2g}, the other "
                f"parameters' {gradient.usual:.2g} (median)",
                "check that the loss depends on this layer through more than one step",
                {
                    "rms": gradient.rms,
                    "median_of_others": gradient.usual,
                    "log10_ratio": math.log10(gradient.ratio) if gradient.ratio else -math.inf,
                },
            )


RULE = Rule(
    code="RD402",
    title="starved recurrence",
    severity="warning",
    threshold="RMS gradient of W_hh below {limit:g} of the other parameters' median",
    source="35 layers in 13 files with optimizer state: healthy ones have 0.08 to 1.2, the two "
    "that are starved 4e-6 and 0",
    documentation=__doc__ or "",
    check=check,
    needs=(MAPPED_GRADIENTS,),
    degree=Degree("log10_ratio", worse="lower"),
    limit=1e-3,
)
