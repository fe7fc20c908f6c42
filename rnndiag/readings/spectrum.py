"""What one layer's spectrum implies, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.measure.fixed_point import LARGEST_STATE, Settling, StepJacobian
from rnndiag.measure.spectrum import BlockSpectrum, Spectrum, StateMap
from rnndiag.recognise.layers import RecurrentLayer
from rnndiag.rounding import judged


def read_spectrum(layer: RecurrentLayer, spectrum: Spectrum) -> list[str]:
    """The sentences under one layer's spectrum."""
    state_map = spectrum.state_map
    if layer.cell == "rnn" and state_map is not None:
        weights = list(_read_plain(layer, spectrum.blocks[0], state_map))
    else:
        weights = [
            "A gate's block of W_hh maps h to a gate, not to the next state: its norm says how "
            "strongly the gate answers to h, and its eigenvalues say nothing about memory."
        ]
    return [*weights, *_read_settling(spectrum.settling), RATE_DECIDES]


RATE_DECIDES = (
    "This is the network without input. What gradients do on inputs is measured by "
    "`rnndiag bptt-trace`; where the two differ, believe the trace."
)


def _read_plain(layer: RecurrentLayer, block: BlockSpectrum, state_map: StateMap) -> Iterator[str]:
    radius = judged(block.spectral_radius or 0.0)
    if state_map.certified_contracting:
        yield (
            f"Certified: the spectral norm {block.spectral_norm:.4g} is below 1, so with "
            f"{layer.activation} the gradient shrinks at every step whatever the input."
        )
    elif radius > 1.0:
        bends = "saturation" if layer.activation == "tanh" else "switched-off units"
        yield (
            f"The spectral radius {radius:.4g} of W_hh is above 1. That alone is no explosion: "
            f"{bends} can make every step contract."
        )
    else:
        yield (
            f"The spectral radius {radius:.4g} of W_hh is at most 1. That alone is no proof that "
            f"gradients vanish: the spectral norm, {block.spectral_norm:.4g}, is not below 1."
        )
    if state_map.transient_growth is not None and state_map.transient_growth > 10.0:
        yield (
            f"Powers of W_hh grow {state_map.transient_growth:.4g}-fold in "
            f"{state_map.transient_growth_step} steps before they decay."
        )
    if state_map.eigenvalue_uncertainty > 0.01:
        yield (
            "The eigenvalues are ill-conditioned: rounding alone may have moved the largest by "
            f"{state_map.eigenvalue_uncertainty:.2g}."
        )


def _read_settling(settling: Settling) -> Iterator[str]:
    jacobian = settling.jacobian
    if jacobian.at == "none":
        yield (
            f"The step Jacobian was not computed: the state is wider than {LARGEST_STATE}, or its "
            "values overflow."
        )
        return
    radius = judged(jacobian.spectral_radius or 0.0)
    if jacobian.at == "origin":
        yield (
            "Without input the state settles nowhere (a cycle, chaos, growth); the step Jacobian "
            f"is taken at h = 0, spectral radius {radius:.4g}."
        )
    elif jacobian.stable:
        yield f"Without input the state settles{_memory(jacobian)}"
    else:
        what = f"{_unstable(jacobian)} (spectral radius {radius:.4g})."
        yield what + _after_push(settling.after_push)


def _unstable(jacobian: StepJacobian) -> str:
    """Iterating stays on an unstable fixed point only if it starts there, at zero."""
    if jacobian.largest_state == 0.0:
        return "Without input the state stays at zero, which is an unstable fixed point"
    return "Without input the state does not settle; the fixed point found near it is unstable"


def _memory(jacobian: StepJacobian) -> str:
    tau = jacobian.time_constant
    if tau is None:
        return ", and a perturbation is gone at once."
    turning = "" if jacobian.period is None else f", turning once in {jacobian.period:.4g} steps"
    return (
        f", and a small perturbation there shrinks by {jacobian.spectral_radius:.4g} a step in its "
        f"slowest direction: time constant {tau:.4g} steps{turning}."
    )


def _after_push(reached: StepJacobian | None) -> str:
    if reached is None:
        return " Pushed off it, the state settles nowhere soon: a cycle, chaos, or a slow drift."
    return (
        f" Pushed off it, the state settles elsewhere{_memory(reached)}"
        if reached.stable
        else " Pushed off it, the state settles nowhere: the next fixed point is unstable as well."
    )
