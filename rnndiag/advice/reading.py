"""What the numbers imply and what they do not, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.measure.drive_trace import DriveTrace, StateGrowth
from rnndiag.measure.fixed_point import LARGEST_STATE, Settling, StepJacobian
from rnndiag.measure.spectrum import BlockSpectrum, Spectrum, StateMap
from rnndiag.measure.trace import LayerTrace
from rnndiag.recognise.layers import RecurrentLayer
from rnndiag.rounding import judged, power_of_ten


def counted(count: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "step"), counted(20, "step")
    ('1 step', '20 steps')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


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


def read_trace(trace: LayerTrace) -> list[str]:
    """The sentences under one layer's trace."""
    drive = trace.headline
    steps = len(drive.log10_gradient_norm) - 1
    sentences = [_VERDICTS[trace.verdict].format(steps=counted(steps, "step"))]
    if drive.overflow_step is not None:
        sentences.append(f"The forward pass overflows at step {drive.overflow_step}.")
    sentences.append(
        f"Under {drive.drive} input {_halving(drive)}; {_horizon(drive.decay.horizons[2], steps)}."
    )
    if drive.growth is not None:
        sentences.append(_state_growth(drive.growth, drive.drive))
    if trace.textbook_log10 is not None:
        sentences.append(_textbook(float(trace.textbook_log10[steps]), steps, drive))
    sentences.extend(_share(drive))
    if drive.dead_cells:
        sentences.append(
            f"{drive.dead_cells} memory cells are saturated out of reach of any loss (dead)."
        )
    if not any(d.deciding and d.drive in {"embedding", "onehot", "given"} for d in trace.drives):
        sentences.append(
            "Measured on synthetic input: growth and decay depend on the data, so give yours with "
            "--input FILE for a verdict on it."
        )
    return sentences


_VERDICTS = {
    "exploding": "Exploding: under every deciding input the gradient grows a thousandfold or more.",
    "growing": "Growing: the gradient rises with every step back, less than a thousandfold so far.",
    "stable": "Stable: more than a thousandth of the gradient is left after {steps}.",
    "vanishing": "Vanishing: less than a thousandth of the gradient is left after {steps}. "
    "Clipping does not help against that.",
    "mixed": "Mixed: the verdict depends on the input; see the rows.",
}


def _halving(drive: DriveTrace) -> str:
    half_life = drive.decay.half_life
    if half_life is None:
        return "the gradient does not surely decay"
    return f"the gradient halves every {half_life:.4g} steps"


def _horizon(lag: int | None, steps: int) -> str:
    if lag is None:
        return f"it is still above a thousandth after {counted(steps, 'step')}, the longest tested"
    if lag < 0:
        return "it is below a thousandth at every lag"
    return f"it falls below a thousandth after {counted(lag, 'step')}"


def _share(drive: DriveTrace) -> Iterator[str]:
    """The lags that make up most of a step's gradient with respect to W_hh."""
    most, nearly_all = drive.lag_of_share(0.9), drive.lag_of_share(0.99)
    if most is not None and nearly_all is not None:
        yield (
            f"Of the gradient of W_hh, 90 % comes from the last {counted(most + 1, 'step')}, "
            f"99 % from the last {nearly_all + 1}."
        )


def _state_growth(growth: StateGrowth, drive: str) -> str:
    error = growth.lyapunov.standard_error
    margin = "" if error is None else f" ± {2 * error:.2g}"
    worst = growth.worst_case_log10
    reached = "" if worst is None else f"; at worst they reach {power_of_ten(worst)}"
    return (
        f"Perturbations of the whole state change by {growth.lyapunov.exponents[0]:.4g}{margin} "
        f"nats a step in the long run (largest Lyapunov exponent, input: {drive}){reached}."
    )


def _textbook(textbook_log10: float, lag: int, drive: DriveTrace) -> str:
    return (
        f"The textbook product of W_hh alone would give {power_of_ten(textbook_log10)} after {lag} "
        f"steps; with the activation it is {power_of_ten(float(drive.log10_gradient_norm[lag]))}."
    )
