"""The layer is certified contracting: its gradient vanishes whatever the input.

The scaled norm of a plain RNN's W_hh is below 1: its largest singular value, in the units of the
states in which that is smallest. The slope of tanh and of ReLU is at most 1, so in those units
every step multiplies a gradient by at most that value, and in the usual ones k steps by at most its
k-th power, but for a factor that comes from the change of units. This holds for every input and
every state, unlike a spectral radius below 1, which says nothing about a network with an
activation. Gates have no such certificate: their blocks map no state to a state. Nor has a layer
with another above it: what that one hands down at every step decays as slowly as it does.

Remedy: nothing if memory as short as shown is enough. Else an orthogonal or identity
initialisation, a larger recurrent gain, or a gated cell.
"""

import math
from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.readings.words import counted
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import STATE_MAP
from rnndiag.rules.spectra import mapped


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer with the certificate."""
    tops = {layer.label for module in result.recognition.modules for layer in module.layers[-1]}
    for layer in mapped(result):
        if layer.state_map.certified_contracting and layer.label in tops:
            scaled = layer.state_map.scaled_norm
            steps = _steps(scaled.value, scaled.condition)
            if layer.norm < 1.0:
                steps = min(steps, _steps(layer.norm, 1.0))
            yield rule.finding(
                layer.label,
                f"certified contracting: the scaled norm of W_hh is {scaled.value:.4g}, so after "
                f"{counted(steps, 'step')} at most a thousandth of any gradient is left",
                "nothing to do if that is memory enough",
                {"scaled_norm": scaled.value, "spectral_norm": layer.norm, "steps_to_1e3": steps},
            )


def _steps(norm: float, factor: float) -> int:
    """The first k with factor * norm^k at most a thousandth."""
    if norm == 0.0:
        return 1
    # Judged below 1 as shown, so not so close to it that the logarithm is zero.
    return max(0, math.ceil(math.log(1e3 * factor) / -math.log(norm)))


RULE = Rule(
    code="RD201",
    title="certified contracting",
    severity="note",
    threshold="scaled norm of W_hh below 1, and no layer above",
    source="Pascanu, Mikolov & Bengio 2013, section 2.1, with the largest slope of tanh or relu, "
    "1, in the best units",
    documentation=__doc__ or "",
    check=check,
    needs=(STATE_MAP,),
    degree=Degree("steps_to_1e3", worse="lower"),
)
