"""The network run on its own samples, and whether to believe them.

h → scores → softmax at temperature 1 → symbol → embedding row or one-hot vector, or
h → prediction → next input. On six published character models the verdict on such samples is that
on real text in six of six, by symbols drawn at random in two. A forecaster may run away to an
attractor that its data do not have; so what it does has to settle, to move, and to have the scale
that the optimizer's state remembers, where there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rnndiag.cells.base import FloatArray
from rnndiag.inputs.feedback import Feedback
from rnndiag.measure.training_scale import TrainingScale
from rnndiag.rollout import Cells, States, random_states

BURN_IN = 50
"""Steps run before the trace begins, so that it does not start from a made-up state: with the 200
steps of a trace a quarter of a forward pass."""

SETTLED = 2.0
"""Factor by which the mean square of the second half may differ from that of the first."""

MOVING = 0.02
"""Share of the mean square that must be movement in time: a prediction that has come to rest says
what the network does at rest, not on data."""

CONFIRMED_INPUTS, CONFIRMED_STATES = 2.0, 1.5
"""Factors within which the optimizer's state has to confirm the size of inputs and states: within
them lie 80 % of the estimates of inputs, and those of states are within 30 % in 15 of 18."""

SYMBOLS_ENTROPY = (0.02, 0.8)
"""Entropy of the scores, as a share of that of a uniform draw, between which a readout as wide as
the input is taken to score symbols. Predictions of numbers of size 1, taken for scores, are nearly
uniform; of raw numbers they are always certain."""


@dataclass(frozen=True)
class Generated:
    """A module's own input."""

    inputs_tbi: FloatArray
    """Shape (steps, batch, input)."""

    states: States
    """Before the first of these steps, [depth][0] of shape (batch, state)."""

    hidden: float
    """Root mean square of the bottom layer's h."""

    entropy: float | None
    """Mean entropy of the scores, 1 for a uniform draw; None for numbers."""

    cotangent_bh: FloatArray | None = None
    """∂L/∂h_T of a loss on the output that comes after these steps, (batch, output): of symbols of
    their cross-entropy, (softmax − symbol) through the readout, of numbers Gaussian errors through
    it. None where one of them is zero."""

    finite: bool = True


RUNAWAY = 1e150
"""Size of an input that has run away. The square of a larger one is infinite, and says nothing."""


class Step(NamedTuple):
    """What follows on one output."""

    inputs: FloatArray
    """(batch, input)."""

    entropy: float | None
    """Of the scores."""

    error: FloatArray
    """∂L/∂(output), (batch, outputs)."""


Next = Callable[[FloatArray, np.random.Generator], Step]
"""The top's h, (batch, output), to what follows on it."""


def generate(cells: Cells, way: Feedback, seed: int, steps: int, batch: int) -> Generated:
    """Run a stack of one direction on its own output, after BURN_IN steps of it.

    One forward pass, and the readout's: the same cost as one step of the model at each step.
    """
    generator = np.random.default_rng([seed, 4])
    states = [side[0] for side in random_states(cells, batch, generator)]
    following = _following(way)
    inputs = np.empty((steps, batch, cells[0][0].weights.weight_ih.shape[1]))
    entropies, squares = [], []
    start: States = []
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(-BURN_IN, steps):
            top = states[-1][:, : cells[-1][0].output_size]
            x, entropy, _ = following(top, generator)
            if not (np.abs(x) < RUNAWAY).all():
                return Generated(inputs[:0], [], np.nan, None, finite=False)
            if t == 0:
                start = [[state.copy()] for state in states]
            if t >= 0:
                inputs[t] = x
                squares.append(np.mean(states[0][:, : cells[0][0].output_size] ** 2))
                entropies.append(entropy)
            for depth, (cell,) in enumerate(cells):
                states[depth] = cell.step(cell.project(x), states[depth])
                x = states[depth][:, : cell.output_size]
        last = following(states[-1][:, : cells[-1][0].output_size], generator)
    told = [entropy for entropy in entropies if entropy is not None]
    return Generated(
        inputs,
        start,
        float(np.sqrt(np.mean(squares))),
        float(np.mean(told)) if told else None,
        _cotangent(last.error, way),
    )


def _cotangent(error: FloatArray, way: Feedback) -> FloatArray | None:
    found = error @ np.asarray(way.readout.load(), dtype=np.float64)
    return found if np.isfinite(found).all() and found.any(axis=1).all() else None


def _following(way: Feedback) -> Next:
    matrix = np.asarray(way.readout.load(), dtype=np.float64).T
    bias = 0.0 if way.bias is None else np.asarray(way.bias.load(), dtype=np.float64)
    rows = None if way.embedding is None else np.asarray(way.embedding.load())

    def value(h: FloatArray, generator: np.random.Generator) -> Step:
        predicted = h @ matrix + bias
        return Step(predicted, None, generator.standard_normal(predicted.shape))

    def symbol(h: FloatArray, generator: np.random.Generator) -> Step:
        drawn, share = _draw(h @ matrix + bias, generator)
        entropy = -(share * np.log(np.maximum(share, 1e-300))).sum(axis=1).mean()
        relative = float(entropy / np.log(share.shape[1]))
        onehot = np.zeros(share.shape)
        onehot[np.arange(len(h)), drawn] = 1.0
        inputs = onehot if rows is None else rows[drawn].astype(np.float64)
        return Step(inputs, relative, share - onehot)

    return value if way.kind == "value" else symbol


def _draw(
    scores: FloatArray, generator: np.random.Generator
) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """A symbol for each sample by its softmax, and the softmax, (batch, symbols)."""
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    total = np.cumsum(weights, axis=1)
    share = weights / total[:, -1:]
    aim = generator.random((len(scores), 1)) * total[:, -1:]
    drawn = np.minimum((total < aim).sum(axis=1), scores.shape[1] - 1)
    return drawn, share


def disbelieved(made: Generated, way: Feedback, scale: TrainingScale | None) -> str | None:
    """Why generated input is not believed; None where it is."""
    if not made.finite:
        return "its own output runs away to infinity"
    if way.kind == "value":
        trouble = _unsteady(made)
        if trouble is not None:
            return trouble
    elif way.kind == "onehot" and made.entropy is not None:
        low, high = SYMBOLS_ENTROPY
        if not low <= made.entropy <= high:
            return f"{way.readout_name} does not score symbols as a trained model does"
    return None if scale is None else _unlike(made, scale)


def confirmed(made: Generated, scale: TrainingScale | None) -> bool:
    """Whether the optimizer's state says that training saw inputs and states of this size."""
    return scale is not None and _unlike(made, scale) is None


def _unsteady(made: Generated) -> str | None:
    half = len(made.inputs_tbi) // 2
    if half < 2:
        return "too few steps to see whether its own predictions settle"
    first, second = (float(np.mean(part**2)) for part in np.split(made.inputs_tbi[: 2 * half], 2))
    if not (first > 0.0 and second > 0.0) or max(first / second, second / first) > SETTLED:
        return "its own predictions do not settle"
    moving = float(np.mean(np.var(made.inputs_tbi[half:], axis=0)))
    if moving < MOVING * second:
        return "its own predictions come to rest"
    return None


def _unlike(made: Generated, scale: TrainingScale) -> str | None:
    inputs = float(np.sqrt(np.mean(made.inputs_tbi**2)))
    seen = float(np.sqrt(np.mean(scale.inputs**2)))
    for what, found, trained, factor in (
        ("inputs", inputs, seen, CONFIRMED_INPUTS),
        ("states", made.hidden, scale.hidden, CONFIRMED_STATES),
    ):
        ratio = found / trained
        if not 1.0 / factor <= ratio <= factor:
            return (
                f"on its own output its {what} have size {found:.2g}, and by {scale.said_by} "
                f"{trained:.2g} in training"
            )
    return None
