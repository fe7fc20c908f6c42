"""The spectral radius of W_hh says one thing, the measured rate another: believe the rate.

The radius ρ of a plain RNN's W_hh is what a linear network would do: grow by ln ρ nats a step. The
network is not linear. Above 1, tanh saturates and its slope, which multiplies every step, makes the
gradient decay all the same (a single unit with w = 5 keeps 0.0009 of it at each step). Below 1,
ReLU and tanh can pick directions in which a non-normal matrix grows, step after step. The rate was
measured along the network's own states with every slope in place, so it is the one to believe. The
finding is given where the two have opposite signs for sure: the radius, less its rounding
uncertainty, above 1 and the rate's 95 % interval below 0 under every deciding drive, or the other
way round.

Remedy: none is needed. Do not rescale W_hh because of its radius. But weights do not say which
activation they were trained with, and where nothing else in the file does, tanh is assumed. A ReLU
network of that radius may explode: declare it, `--as NAME=rnn:relu`, and it is measured as one.
"""

import math
from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.measure.verdict import surely_grows
from rnndiag.rounding import judged
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import POWERS, TRACE
from rnndiag.rules.spectra import Mapped, mapped


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer whose radius and rates disagree in sign."""
    for layer in mapped(result):
        if layer.item.trace is None:
            continue
        decays = [drive.decay for drive in layer.item.trace.deciding]
        surely = layer.radius - (layer.state_map.eigenvalue_uncertainty or 0.0)
        all_decay = all(d.rate_ci95 is not None and judged(d.rate_ci95[1]) < 0.0 for d in decays)
        if judged(surely) > 1.0 and all_decay:
            says, does, slowest = "grows", "decays", max(d.rate_per_step or 0.0 for d in decays)
        elif judged(layer.radius) < 1.0 and all(map(surely_grows, decays)):
            says, does, slowest = "decays", "grows", min(d.rate_per_step or 0.0 for d in decays)
        else:
            continue
        yield rule.finding(
            layer.label,
            f"the spectral radius of W_hh, {layer.radius:.4g}, says the gradient {says}; measured "
            f"it {does}, by at least {abs(slowest):.3g} nats a step: believe the measurement",
            _remedy(layer, says),
            {
                "spectral_radius": layer.radius,
                "log_radius": math.log(layer.radius) if layer.radius else None,
                "rate_per_step": slowest,
            },
        )


def _remedy(layer: Mapped, says: str) -> str:
    """Saturation beats a large radius; ReLU has none, and the file may not say which it is."""
    if says == "grows" and layer.item.layer.activation_is_assumed:
        return (
            "none needed with tanh, which is assumed; a ReLU network may explode: declare one with "
            "--as NAME=rnn:relu"
        )
    return "none needed: do not rescale W_hh because of its radius"


RULE = Rule(
    code="RD202",
    title="spectral radius and measured rate disagree",
    severity="note",
    threshold="ln of the radius of W_hh and the rate (95 %) on different sides of 0",
    source="W = 5 with tanh: radius 5, slope 9.1e-4 at its fixed point; 73 % of real gate blocks "
    "have a radius above 1",
    documentation=__doc__ or "",
    check=check,
    needs=(POWERS, TRACE),
)
