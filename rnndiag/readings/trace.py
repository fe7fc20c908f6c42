"""What one layer's gradient trace implies, and what it does not."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rnndiag.measure.drive_trace import DriveTrace, StateGrowth
from rnndiag.measure.loss_gradient import LossGradient
from rnndiag.measure.lyapunov import LyapunovSpectrum
from rnndiag.measure.trace import LayerTrace
from rnndiag.measure.verdict import EXPLODING_DECADES, GROWING, lag_of_growth
from rnndiag.readings.basis import on_what
from rnndiag.readings.words import counted
from rnndiag.rounding import power_of_ten


def read_trace(trace: LayerTrace) -> list[str]:
    """The sentences under one layer's trace."""
    drive = trace.headline
    steps = len(drive.log10_gradient_norm) - 1
    sentences = [_verdict(trace, steps)]
    if drive.overflow_step is not None:
        sentences.append(f"The forward pass overflows at step {drive.overflow_step}.")
    sentences.append(f"Under {drive.drive} input {_course(drive, steps)}.")
    sentences.extend(_rise(trace))
    if drive.growth is not None:
        sentences.append(_state_growth(drive.growth, drive.drive, steps))
    if trace.textbook_log10 is not None:
        sentences.append(_textbook(float(trace.textbook_log10[steps]), steps, drive))
    sentences.extend(_share(drive))
    if drive.loss_gradient is not None:
        sentences.extend(_loss_gradient(drive.loss_gradient))
    if drive.dead_cells:
        sentences.append(
            f"{drive.dead_cells} memory cells are saturated out of reach of any loss (dead)."
        )
    sentences.extend(_where_it_stands(trace))
    return sentences


_VERDICTS = {
    "exploding": "Exploding: under every deciding input the gradient grows a thousandfold or more"
    "{overflow}.",
    "unsure": "Unsure: {doubt}.",
    "growing": "Growing: the gradient rises with every step back, less than a thousandfold so far.",
    "stable": "Stable: more than a thousandth of the gradient is left after {steps}.",
    "vanishing": "Vanishing: less than a thousandth of the gradient is left after {steps}. {note}",
    "mixed": "Mixed: the verdict depends on the input: {split}.",
}

ATTRACTORS = (
    "That is the memory of the gradient: a state that has settled somewhere may keep a value for "
    "longer, and nothing is learnt from that."
)
"""A latch keeps its bits for 1,000 steps, and its gradient is gone in three."""


def _verdict(trace: LayerTrace, steps: int) -> str:
    """The first sentence."""
    rises = max(drive.decay.growth_log10 for drive in trace.deciding) >= NOTABLE_RISE
    # It has been large on its way: then clipping is what helps.
    note = ATTRACTORS if rises else f"Clipping does not help against that. {ATTRACTORS}"
    return _VERDICTS[trace.verdict].format(
        steps=counted(steps, "step"),
        split=_split(trace),
        overflow=_overflow(trace),
        doubt=_doubt(trace) if trace.verdict == "unsure" else "",
        note=note,
    )


def _doubt(trace: LayerTrace) -> str:
    """Why a gradient that explodes is not said to."""
    found = trace.exploding(EXPLODING_DECADES)
    if not found:
        relu = ", ".join(drive.drive for drive in trace.only_as_relu(EXPLODING_DECADES))
        return (
            f"with ReLU the gradient would explode (under {relu} input); with tanh, which is "
            "assumed, it does not"
        )
    if len(found) < len(trace.deciding):
        return f"the gradient explodes under some input only: {_split(trace)}"
    lags = [lag_of_growth(drive.log10_gradient_norm) for drive in found]
    first = min(lag for lag in lags if lag is not None)
    return (
        f"the gradient reaches a thousand times its size {counted(first, 'step')} back, and nobody "
        "says that sequences are so long"
    )


def _where_it_stands(trace: LayerTrace) -> Iterator[str]:
    """On what, and what would be better."""
    if trace.basis == "synthetic":
        yield (
            f"Measured {on_what(trace)}. Growth and decay depend on the data: give yours with "
            "--input FILE for a verdict on it."
        )
    if trace.not_generated is not None:
        yield f"Not run on its own samples: {trace.not_generated}."
    left_out = [
        drive.drive for drive in trace.drives if drive.unlike_training and not drive.deciding
    ]
    if left_out:
        yield (
            f"Under {' and '.join(left_out)} input the states have another size than in training, "
            "by the optimizer's state: it decides nothing."
        )


def _course(drive: DriveTrace, steps: int) -> str:
    """How the gradient goes, and how far; exactly zero is not a matter of halving."""
    lost = drive.lost_lag
    if lost is None:
        return _fast_start(drive) or _halving(drive) + _horizon(drive, steps)
    return (
        f"nothing is left of the gradient {counted(lost, 'step')} back: it is exactly zero, or "
        "goes through slopes below 1e-308"
    )


NOTABLE_RISE = 1.0
"""Decades of growth without an end or a sure trend that are worth a sentence, as in RD304."""


def _rise(trace: LayerTrace) -> Iterator[str]:
    """How large a gradient gets that does not surely grow, so that its verdict does not tell."""
    unsure = [drive for drive in trace.deciding if drive.verdict not in GROWING]
    highest = max(unsure, key=lambda drive: drive.decay.growth_log10, default=None)
    if highest is None or highest.decay.growth_log10 < NOTABLE_RISE:
        return
    yield (
        f"At most it is {power_of_ten(highest.decay.growth_log10)} times as large as at the loss "
        f"({counted(highest.decay.growth_lag, 'step')} back, {highest.drive} input)."
    )


def _overflow(trace: LayerTrace) -> str:
    """Where some input explodes because its states do, however short that cuts the gradient."""
    if any(drive.overflow_step is not None for drive in trace.deciding):
        return ", or the forward pass overflows"
    return ""


def _fast_start(drive: DriveTrace) -> str | None:
    """Where most is lost in a few steps, the half-life is of what comes after, and is said so."""
    half_life, lag = drive.decay.half_life, drive.decay.horizons[2]
    if half_life is None or half_life < 1.0 or lag is None or lag < 1:
        return None
    if lag > HALVINGS_TO_1E3 / 2 * half_life:
        return None
    return (
        f"the gradient falls below a thousandth after {counted(lag, 'step')} already; over the "
        f"whole window it halves every {half_life:.4g} steps"
    )


HALVINGS_TO_1E3 = math.log2(1000)
"""A steady decay takes ten half-lives to a thousandth; less than half of that is no steady one."""


def _split(trace: LayerTrace) -> str:
    """Which deciding input has which verdict."""
    names: dict[str, list[str]] = {}
    for drive in trace.deciding:
        names.setdefault(drive.verdict, []).append(drive.drive)
    return ", ".join(f"{verdict} under {' and '.join(of)}" for verdict, of in names.items())


def _halving(drive: DriveTrace) -> str:
    decay = drive.decay
    if decay.half_life is not None and decay.half_life < 1.0:
        return f"each step back leaves {2.0 ** (-1.0 / decay.half_life):.3g} of the gradient"
    if decay.half_life is not None:
        return f"the gradient halves every {decay.half_life:.4g} steps"
    if decay.rate_per_step and decay.rate_ci95 is not None and decay.rate_ci95[0] > 0.0:
        return f"the gradient doubles every {math.log(2) / decay.rate_per_step:.4g} steps"
    return "the gradient neither surely decays nor surely grows"


def _horizon(drive: DriveTrace, steps: int) -> str:
    lag = drive.decay.horizons[2]
    if lag is None:
        grows = drive.verdict in GROWING
        tested = f"after {counted(steps, 'step')}, the longest tested"
        return "" if grows else f"; it is still above a thousandth {tested}"
    if lag <= 0:
        return "; it is below a thousandth from the first step back on"
    return f"; it falls below a thousandth after {counted(lag, 'step')}"


def _share(drive: DriveTrace) -> Iterator[str]:
    """The lags that make up most of a step's gradient with respect to W_hh."""
    most, nearly_all = drive.lag_of_share(0.9), drive.lag_of_share(0.99)
    if most is None or nearly_all is None:
        return
    last = f"from the last {counted(nearly_all + 1, 'step')}"
    nearest = f"90 % comes from the last {counted(most + 1, 'step')}, 99 % {last}"
    shown = f"99 % comes {last}" if most == nearly_all else nearest
    yield f"Of the gradient of W_hh, {shown}."


OTHER_NETWORK = 0.05
"""Relative difference of final states above which they are not the captured model's: autocast to
bfloat16 keeps 8 bits, which over a sequence makes about a hundredth."""


def _loss_gradient(loss: LossGradient) -> Iterator[str]:
    """The whole loss's gradient by step, and whether this is the network that had it."""
    curve = loss.log10_hidden
    first, last, top = (power_of_ten(float(value)) for value in (curve[0], curve[-1], curve.max()))
    yield (
        f"Of the recorded loss, all steps together, the gradient of h is {first} at the first "
        f"step, {last} at the last, at most {top} (step {int(curve.argmax()) + 1}). A flat curve "
        "is no proof of memory: the lags above tell that."
    )
    if loss.state_difference > OTHER_NETWORK:
        yield (
            f"The final states differ by {loss.state_difference:.0%} from those of the captured "
            "model: it had other weights, or something else in between, such as dropout."
        )


def _state_growth(growth: StateGrowth, drive: str, steps: int) -> str:
    found, worst = growth.lyapunov, growth.worst_case_log10
    what = f"largest Lyapunov exponent, input: {drive}"
    if not found.living:
        return (
            "Every perturbation of the state is lost: a product of step Jacobians is exactly zero "
            f"({what}: -inf)."
        )
    # Of nats, the last digits of float64 are rounding: 7e-18 is 0.
    rate = round(float(found.exponents[0]), 12)
    margin = "" if found.margin is None else f" ± {round(found.margin, 12):.2g}"
    # Where blocks are too short for an interval, the steps are for a rate as well.
    how_long = f"over these {counted(steps, 'step')}" if found.margin is None else "in the long run"
    reached = "" if worst is None else f"; at worst they reach {power_of_ten(worst)}"
    return (
        f"Perturbations of the whole state change by {rate:.4g}{margin} nats a step "
        f"{how_long} ({what}){reached}.{_dead_samples(found)}"
    )


def _dead_samples(found: LyapunovSpectrum) -> str:
    if found.living == found.samples:
        return ""
    return (
        f" That is the mean over {found.living} of {counted(found.samples, 'sample')}: in the "
        "others a product of step Jacobians is exactly zero, and every perturbation lost."
    )


def _textbook(textbook_log10: float, lag: int, drive: DriveTrace) -> str:
    measured = power_of_ten(float(drive.log10_gradient_norm[lag]))
    return (
        f"The textbook product of W_hh alone would give {power_of_ten(textbook_log10)} after "
        f"{counted(lag, 'step')}; with the activation it is {measured}."
    )
