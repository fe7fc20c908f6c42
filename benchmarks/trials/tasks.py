"""What the networks of the benchmark learn: inputs, targets, loss, and which steps have one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from trials import series

Kind = Literal["symbols", "forecaster", "other"]
"""symbols: the next symbol is predicted from the symbols before. forecaster: the next value of
every input. Either can be run on its own output, and no other can."""

Arrays = tuple[NDArray[Any], NDArray[Any]]

NO_LOSS = -100
"""Target of a step without a loss, as torch's cross-entropy ignores it."""


@dataclass(frozen=True)
class Task:
    """Sequences to learn, and how they are scored."""

    draw: Callable[[np.random.Generator, int, int], Arrays]
    """(rng, steps T, batch B) to inputs, (T, B, I) or symbols (T, B), and targets by step, or (B,)
    and (B, O) where only the last step has one."""

    inputs: int
    """Features; of symbols how many there are."""

    outputs: int
    kind: Kind = "other"

    embedded: int = 0
    """Width of an embedding in front; 0: inputs go to the recurrence, symbols as one-hot rows."""

    every_step: bool = True

    classes: bool = False
    """Whether the loss is the cross-entropy of classes; else it is the mean squared error."""

    def batch(self, rng: np.random.Generator, steps: int, size: int) -> tuple[Tensor, Tensor]:
        """Inputs, float32 or symbols, and targets."""
        inputs, targets = self.draw(rng, steps, size)
        if inputs.ndim == 2 and not self.embedded:
            inputs = np.eye(self.inputs)[inputs]
        return _tensor(inputs), _tensor(targets)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of outputs (…, O)."""
        if self.classes:
            flat = outputs.reshape(-1, self.outputs)
            return functional.cross_entropy(flat, targets.flatten(), ignore_index=NO_LOSS)
        return functional.mse_loss(outputs, targets.to(outputs.dtype))


def _tensor(array: NDArray[Any]) -> Tensor:
    whole = torch.from_numpy(np.ascontiguousarray(array))
    return whole.float() if whole.is_floating_point() else whole.long()


def _windows(rng: np.random.Generator, whole: series.Floats, steps: int, size: int) -> Arrays:
    """Windows of trajectories and the same one step later."""
    starts = rng.integers(0, len(whole) - steps - 1, size)
    copies = rng.integers(0, whole.shape[1], size)
    rows = starts + np.arange(steps + 1)[:, None]
    cut = whole[rows, copies]
    return cut[:-1], cut[1:]


def _forecast(whole: series.Floats, scale: float = 1.0, seen: int | None = None) -> Task:
    """The next value of every feature, or of the first `seen` of them only."""
    width = whole.shape[-1]
    told = width if seen is None else seen
    centre, spread = whole.mean((0, 1)), whole.std((0, 1))
    raw = scale == 0.0
    scaled = whole if raw else scale * (whole - centre) / spread

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        now, later = _windows(rng, scaled, steps, size)
        return now, later[..., :told]

    return Task(draw, width, told, "forecaster" if told == width else "other")


def mackey_glass(scale: float = 1.0) -> Task:
    """Standardised and times `scale`; 0: in its own units."""
    return _forecast(series.mackey_glass(), scale)


def lorenz(scale: float = 1.0) -> Task:
    """Standardised and times `scale`; 0: in its own units, x and y ± 8, z 24 ± 9."""
    return _forecast(series.lorenz(), scale)


def oscillator(scale: float = 1.0) -> Task:
    """A noisy oscillation, both coordinates."""
    return _forecast(series.noisy_oscillator(), scale)


def weather(scale: float = 0.0) -> Task:
    """The next temperature from temperature, pressure (1013) and humidity, raw unless scaled."""
    return _forecast(series.weather(), scale, seen=1)


def sine(amplitude: float = 1.0, noise: float = 0.05) -> Task:
    """The next value of a sine of period 15 to 30, with noise of a share of its amplitude."""

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        phase, period = rng.uniform(0.0, 2.0 * np.pi, size), rng.uniform(15.0, 30.0, size)
        wave = np.sin(phase + 2.0 * np.pi * np.arange(steps + 1)[:, None] / period)
        wave = amplitude * (wave + noise * rng.normal(0.0, 1.0, wave.shape))[..., None]
        return wave[:-1], wave[1:]

    return Task(draw, 1, 1, "forecaster")


def adding(marks: int = 2) -> Task:
    """The sum of the marked values (Hochreiter and Schmidhuber, 1997)."""

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        values = rng.uniform(0.0, 1.0, (steps, size))
        marked = np.argsort(rng.uniform(size=(steps, size)), 0) < marks
        return np.stack([values, marked], -1), (values * marked).sum(0)[:, None]

    return Task(draw, 2, 1, every_step=False)


def average(scale: float = 1.0) -> Task:
    """The mean of the first of two raw features of mean `scale` and a fifth of it as deviation."""

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        noise = rng.normal(0.0, 1.0, (steps, size, 2)) + rng.normal(0.0, 0.5, (1, size, 2))
        return scale * (1.0 + 0.2 * noise), noise[..., 0].mean(0)[:, None]

    return Task(draw, 2, 1, every_step=False)


def classify(features: int = 4, scale: float = 1.0) -> Task:
    """Which of four frequencies is hidden in noise."""
    mixing = np.random.default_rng(4).normal(0.0, 1.0, (2, features)) / np.sqrt(2.0)

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        target = rng.integers(0, 4, size)
        angle = rng.uniform(0.0, 2.0 * np.pi, size)
        angle = angle + np.arange(steps)[:, None] * (0.15 + 0.15 * target)
        wave = np.stack([np.sin(angle), np.cos(angle)], -1) @ mixing
        return scale * (wave + 0.5 * rng.normal(0.0, 1.0, wave.shape)), target

    return Task(draw, features, 4, every_step=False, classes=True)


def flip_flop(chance: float = 0.05) -> Task:
    """Three bits that keep the sign of the last pulse (Sussillo and Barak, 2013)."""

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        pulses = rng.choice([-1.0, 1.0], (steps, size, 3)) * (rng.random((steps, size, 3)) < chance)
        kept = pulses.copy()
        for step in range(1, steps):
            kept[step] = np.where(pulses[step] == 0.0, kept[step - 1], pulses[step])
        return pulses, kept

    return Task(draw, 3, 3)


def parity(noise: float = 0.0) -> Task:
    """Whether the number of ones so far is odd."""

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        bits = rng.integers(0, 2, (steps, size))
        signs = 2.0 * bits - 1.0 + noise * rng.normal(0.0, 1.0, bits.shape)
        return signs[..., None], bits.cumsum(0) % 2

    return Task(draw, 1, 2, classes=True)


def recall(delay: int = 5, symbols: int = 2) -> Task:
    """The symbol of `delay` steps ago, of one-hot rows: as many outputs as inputs, and no text."""

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        whole = rng.integers(0, symbols, (steps, size))
        late = np.full_like(whole, NO_LOSS)
        late[delay:] = whole[:-delay]
        return whole, late

    return Task(draw, symbols, symbols, classes=True)


def long_recall(symbols: int = 4) -> Task:
    """The first of many symbols, asked for after the last."""

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        whole = rng.integers(0, symbols, (steps, size))
        return whole, whole[0]

    return Task(draw, symbols, symbols, every_step=False, classes=True)


def delayed_copy(delay: int = 8, scale: float = 1.0) -> Task:
    """A noise of `delay` steps ago."""

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        whole = rng.normal(0.0, 1.0, (steps, size, 1))
        late = np.zeros_like(whole)
        late[delay:] = whole[:-delay]
        return scale * whole, late

    return Task(draw, 1, 1, "other")


def text(name: str = "english", embedded: int = 16, words: int = 0) -> Task:
    """The next character, or word, of a text."""
    whole, count = series.symbols(name, words)

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        rows = rng.integers(0, len(whole) - steps - 1, size) + np.arange(steps + 1)[:, None]
        return whole[rows[:-1]], whole[rows[1:]]

    return Task(draw, count, count, "symbols", embedded, classes=True)


def markov(states: int = 12, embedded: int = 8) -> Task:
    """The next state of a Markov chain."""
    steps_to = series.markov_chain(states).cumsum(1)

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        whole = [rng.integers(0, states, size)]
        for _ in range(steps):
            passed = steps_to[whole[-1]] < rng.random((size, 1))
            whole.append(np.minimum(passed.sum(1), states - 1))
        return np.array(whole[:-1]), np.array(whole[1:])

    return Task(draw, states, states, "symbols", embedded, classes=True)


def which_text(embedded: int = 16) -> Task:
    """Whether characters are English or Python: an embedding, and a readout of two classes."""
    code, count = series.symbols("python")
    english = np.array([ord(c) % count for c in series.text("english")])

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        target = rng.integers(0, 2, size)
        rows = rng.integers(0, min(len(code), len(english)) - steps, size)
        rows = rows + np.arange(steps)[:, None]
        return np.where(target, english[rows], code[rows]), target

    return Task(draw, count, 2, "other", embedded, every_step=False, classes=True)


def tagging(embedded: int = 16) -> Task:
    """How many letters of the present word have passed, up to 7: a tag for every character."""
    whole, count = series.symbols("english")
    tags = np.zeros(len(whole), dtype=np.int64)
    for place, character in enumerate(series.text("english")):
        tags[place] = min(tags[place - 1] + 1, 7) if character.isalpha() else 0

    def draw(rng: np.random.Generator, steps: int, size: int) -> Arrays:
        rows = rng.integers(0, len(whole) - steps, size) + np.arange(steps)[:, None]
        return whole[rows], tags[rows]

    return Task(draw, count, 8, "other", embedded, classes=True)


TASKS: dict[str, Callable[..., Task]] = {
    task.__name__: task
    for task in (
        *(adding, average, classify, flip_flop, parity, recall, long_recall, delayed_copy),
        *(mackey_glass, lorenz, oscillator, sine, weather),
        *(text, markov, which_text, tagging),
    )
}
