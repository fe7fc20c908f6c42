"""The recurrence is starved: its gradients are orders of magnitude below the other parameters'.

The second moment of Adam, RMSprop or Adagrad tells the root mean square of each parameter's
gradient over recent steps. That of a layer's W_hh is compared with the median of the parameters
outside the recurrent layers (where there are none, of all that are no W_hh). Adam hides it, since
it divides each gradient by its own size, so the weights still move, by noise. What else in the
layer is starved tells where to look. W_hh alone: no past state takes part, because sequences have
one step, or a state is detached or reset at every step. W_ih as well, biases not: what the layer is
fed, and so its state, is next to zero. The biases, too: nothing comes back through the layer's own
units, because they are saturated, or the loss does not see its output (in a real actor-critic file
the critic's LSTM is at 8·10^-7 of the median in W_hh and at 10^-4 in all else, the actor's at
0.02).

Remedy: W_hh alone: check that the loss depends on this layer through more than one step. Otherwise
look at the scale of the inputs, at saturated gates (RD306), and whether the loss reads the output.
"""

import math
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Literal, NamedTuple

from rnndiag.analysis import FileResult
from rnndiag.recognise.layers import RecurrentLayer
from rnndiag.rounding import judged
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import MAPPED_GRADIENTS

Extent = Literal["recurrence", "inputs", "layer"]
"""What is starved: W_hh alone; W_ih as well; the biases, too."""


class RecurrentGradient(NamedTuple):
    """How large one layer's W_hh gradients are, beside those of everything that is not W_hh."""

    rms: float
    usual: float
    """Median over the parameters outside the recurrent layers; above 0."""

    inputs: float | None
    """Of W_ih; None where the optimizer has no state of it."""

    biases: float | None
    """The largest of the biases'; None without any."""

    @property
    def ratio(self) -> float:
        """The one over the other."""
        return self.rms / self.usual

    def extent(self, limit: float) -> Extent:
        """What of a starved layer is starved, at this share of what is usual."""
        if not self._lacks(self.inputs, limit):
            return "recurrence"
        return "layer" if self.biases is None or self._lacks(self.biases, limit) else "inputs"

    def _lacks(self, rms: float | None, limit: float) -> bool:
        return rms is not None and judged(rms / self.usual) < limit


def recurrent_gradients(result: FileResult) -> dict[str, RecurrentGradient]:
    """By label, of every layer whose W_hh has optimizer state; of none where nothing is known."""
    state = result.training_state
    if state is None or not state.mapped:
        return {}
    sizes = {gradient.name: gradient.rms for gradient in state.per_parameter}
    usual = _usual(result, sizes)
    return {
        item.layer.label: _gradient(item.layer, sizes, usual)
        for item in result.layers
        if usual > 0.0 and item.layer.keys[0] in sizes
    }


def _usual(result: FileResult, sizes: Mapping[str, float]) -> float:
    """The median outside the recurrent layers; without any such parameter, of all but W_hh."""
    layers = [layer for module in result.recognition.modules for layer in module.flat]
    for recurrent in (
        {key for layer in layers for key in layer.keys},
        {layer.keys[0] for layer in layers},
    ):
        rest = [size for name, size in sizes.items() if name not in recurrent]
        if rest:
            return median(rest)
    return 0.0


def _gradient(layer: RecurrentLayer, sizes: Mapping[str, float], usual: float) -> RecurrentGradient:
    hidden, inputs, *others = layer.keys
    biases = [sizes[key] for key in others if key in sizes and "weight" not in key]
    return RecurrentGradient(
        sizes[hidden], usual, sizes.get(inputs), max(biases) if biases else None
    )


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer whose W_hh has so small a gradient."""
    for label, gradient in recurrent_gradients(result).items():
        if judged(gradient.ratio) < rule.limit:
            extent = gradient.extent(rule.limit)
            yield rule.finding(
                label,
                _WHAT[extent].format(
                    rms=gradient.rms,
                    usual=gradient.usual,
                    inputs=gradient.inputs or 0.0,
                    biases=gradient.biases or 0.0,
                ),
                _REMEDIES[extent],
                {
                    "rms": gradient.rms,
                    "median_of_others": gradient.usual,
                    "log10_ratio": math.log10(gradient.ratio) if gradient.ratio else -math.inf,
                    "starved": extent,
                    "rms_of_inputs": gradient.inputs,
                    "rms_of_biases": gradient.biases,
                },
            )


_WHAT: Mapping[Extent, str] = {
    "recurrence": "starved recurrence: the RMS gradient of W_hh is {rms:.2g}, the other "
    "parameters' {usual:.2g} (median)",
    "inputs": "starved recurrence: the RMS gradient of W_hh is {rms:.2g}, of W_ih {inputs:.2g}, of "
    "the biases {biases:.2g}, the other parameters' {usual:.2g} (median): inputs and states are "
    "next to zero",
    "layer": "starved recurrence, as is its whole layer: the RMS gradient of W_hh is {rms:.2g}, of "
    "W_ih {inputs:.2g}, of the biases {biases:.2g}, the other parameters' {usual:.2g} (median): "
    "nothing comes back through its units",
}

_REMEDIES: Mapping[Extent, str] = {
    "recurrence": "check that the loss depends on this layer through more than one step",
    "inputs": "check what the layer is fed: its scale, and whether it is there at all",
    "layer": "check whether its units are saturated, by inputs of the wrong scale, and whether the "
    "loss sees its output",
}


RULE = Rule(
    code="RD402",
    title="starved recurrence",
    severity="warning",
    threshold="RMS gradient of W_hh below {limit:g} of the other parameters' median",
    source="35 layers in 13 files with optimizer state: healthy ones have 0.02 to 1.5, the two "
    "that are starved 8e-7 and 0",
    documentation=__doc__ or "",
    check=check,
    needs=(MAPPED_GRADIENTS,),
    degree=Degree("log10_ratio", worse="lower"),
    limit=1e-3,
)
