"""The networks of the benchmark, a row each, by what is meant to be right or wrong with them.

What a network does is not written here: its own gradients say whether it explodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from trials.recipe import Cell, Recipe, Saved

SAVED: tuple[Saved, ...] = (
    "pair",
    "training",
    "bare",
    "lightning",
    "pair",
    "training",
    "lightning",
)
"""In turn: six of seven keep the optimizer's state."""

GATED: tuple[Cell, ...] = ("gru", "lstm")
CELLS: tuple[Cell, ...] = ("rnn", *GATED)

Asked = tuple[str, dict[str, Any]]
"""A task and its options."""


def grid(
    group: str, tasks: Sequence[Asked], cells: Sequence[Cell] = CELLS, **fixed: Any
) -> list[Recipe]:
    """Every task with every cell."""
    kept = {"saved": cycle(SAVED)}
    if "saved" in fixed:
        kept["saved"] = cycle([fixed.pop("saved")])
    return [
        Recipe(group, task, cell, tuple(options.items()), saved=next(kept["saved"]), **fixed)
        for task, options in tasks
        for cell in cells
    ]


def broken(
    group: str, tasks: Sequence[Asked], gains: dict[Cell, float], **fixed: Any
) -> list[Recipe]:
    """Every task with a W_hh drawn too large, N(0, gain²/H), and trained a little."""
    fixed = {"updates": 150, "rate": 1e-3, "start": "gauss", **fixed}
    return [
        row
        for cell, gain in gains.items()
        for row in grid(group, tasks, (cell,), gain=gain, **fixed)
    ]


ENGLISH: Asked = ("text", {"name": "english"})
PYTHON: Asked = ("text", {"name": "python", "embedded": 24})
ONE_HOT: Asked = ("text", {"name": "english", "embedded": 0})
TIED: Asked = ("text", {"name": "english", "embedded": 64})
WORDS: Asked = ("text", {"name": "english", "embedded": 32, "words": 300})
MARKOV: Asked = ("markov", {})
FIVE: Asked = ("markov", {"states": 5, "embedded": 0})
THREE: Asked = ("markov", {"states": 3, "embedded": 0})

SYMBOLS = [
    *grid("symbols", [ENGLISH, ONE_HOT], hidden=64, updates=600),
    *grid("symbols", [PYTHON], hidden=64, layers=2, steps=80, updates=600),
    *grid("symbols", [TIED], hidden=64, updates=600, tied=True, optimizer="adamw"),
    *grid("symbols", [WORDS], hidden=64, steps=30, updates=600),
    *grid("symbols", [MARKOV, FIVE, THREE], hidden=32, steps=40, updates=500),
    *grid("symbols", [ENGLISH], ("rnn", "lstm"), hidden=128, steps=100, updates=500),
]
"""Predict the next symbol: they can be run on their own samples."""

CHAOS: Asked = ("lorenz", {})
DELAY: Asked = ("mackey_glass", {})
NOISY: Asked = ("oscillator", {})
SINE: Asked = ("sine", {})


def sine(amplitude: float) -> Asked:
    """Of another unit."""
    return "sine", {"amplitude": amplitude}


FORECASTERS = [
    *grid("forecasters", [CHAOS, DELAY], hidden=64, steps=80, updates=600),
    *grid("forecasters", [NOISY, SINE], steps=60, updates=500),
    *grid("forecasters", [sine(0.1), sine(10.0)], hidden=32, steps=50, updates=500),
    *grid("forecasters", [CHAOS], hidden=32, layers=2, updates=500),
    *grid("forecasters", [DELAY], GATED, hidden=32, steps=120, updates=500, optimizer="rmsprop"),
    *grid("forecasters", [NOISY], GATED, hidden=24, layers=2, steps=40, optimizer="adagrad"),
]
"""Predict the next value of every input: most can be run on their own predictions."""

ADDING: Asked = ("adding", {})
AVERAGE: Asked = ("average", {})
CLASSIFY: Asked = ("classify", {})
FLIP_FLOP: Asked = ("flip_flop", {})
PARITY: Asked = ("parity", {})
RECALL: Asked = ("recall", {"delay": 5, "symbols": 4})
LONG_RECALL: Asked = ("long_recall", {})
COPY: Asked = ("delayed_copy", {})

MEMORY = [
    *grid("memory", [ADDING, RECALL], steps=40, updates=1000),
    *grid("memory", [AVERAGE, FLIP_FLOP, COPY], steps=60, updates=600),
    *grid("memory", [CLASSIFY], hidden=32, steps=50, updates=600),
    *grid("memory", [PARITY, LONG_RECALL], hidden=32, steps=25, updates=800),
    *grid("memory", [CLASSIFY, FLIP_FLOP], GATED, hidden=32, layers=2, updates=500),
    *grid("memory", [ADDING], GATED, hidden=32, layers=2, updates=500, optimizer="adamw"),
    *grid("memory", [COPY], CELLS, hidden=16, steps=30, updates=500, optimizer="sgd", rate=0.1),
]
"""Tasks with a memory of known length, whose outputs are no inputs."""

LABELS = [
    *grid("labels", [("which_text", {}), ("tagging", {})], hidden=32, updates=400),
    *grid("labels", [ENGLISH], hidden=48, updates=500, front="linear"),
    *grid("labels", [("weather", {}), ("average", {"scale": 50.0})], GATED, front="norm"),
]
"""An embedding without samples of its own, or with a layer between; a normalisation in front."""

WEATHER: Asked = ("weather", {})
RAW_CHAOS: Asked = ("lorenz", {"scale": 0.0})


def average(scale: float) -> Asked:
    """Of raw inputs."""
    return "average", {"scale": scale}


SMALL: list[Asked] = [
    sine(0.01),
    ("classify", {"scale": 0.01}),
    ("delayed_copy", {"scale": 0.01}),
]
BIG: list[Asked] = [sine(100.0), ("lorenz", {"scale": 100.0})]

LARGE: dict[Cell, float] = {"rnn": 2.5, "gru": 8.0, "lstm": 8.0}
MILD: dict[Cell, float] = {"rnn": 1.9, "gru": 4.5, "lstm": 5.0}

RAW = [
    *grid("raw", [average(20.0), average(200.0), WEATHER, RAW_CHAOS], steps=80, updates=400),
    *broken(
        "raw",
        [average(20.0), average(200.0), WEATHER],
        {"rnn": 1.8, "gru": 6.0, "lstm": 8.0},
        **{"steps": 100, "hidden": 64, "saved": "training"},
    ),
    *broken(
        "raw", [RAW_CHAOS, sine(100.0)], {"rnn": 2.2, "lstm": 8.0}, steps=80, saved="lightning"
    ),
    *broken("raw", SMALL, {"gru": 5.0, "lstm": 6.0}, hidden=64, steps=90, saved="pair"),
    *broken("raw", SMALL, LARGE, steps=90, input_gain=100.0, saved="training", clip=None),
    *broken("raw", BIG, LARGE, steps=90, input_gain=0.01, saved="training", clip=None),
]
"""Inputs as they are measured: means of 20 to 1013, or a hundredth. The files hold the optimizer's
state wherever W_hh was broken: without it nothing in them tells the unit."""

GAIN = [
    *broken("gain", [CLASSIFY, CHAOS, ENGLISH], LARGE, hidden=64, steps=100, clip=None),
    *broken("gain", [DELAY, COPY, FLIP_FLOP], LARGE, hidden=64, steps=80),
    *broken("gain", [ADDING, MARKOV], LARGE, hidden=32, steps=60, optimizer="rmsprop"),
    *broken("gain", [ENGLISH, CHAOS, CLASSIFY], LARGE, layers=2, steps=70),
    *broken("gain", [CLASSIFY, CHAOS, ENGLISH, DELAY], MILD, hidden=96, steps=100, updates=250),
]
"""Broken by a W_hh that began too large."""

SHORT = [
    *broken("short", [CLASSIFY, CHAOS, COPY], {"rnn": 2.0, "gru": 5.0, "lstm": 6.0}, steps=25),
    *broken("short", [ENGLISH, MARKOV], {"rnn": 2.0, "gru": 4.0}, steps=20, updates=100),
]
"""Too little growth to matter over their own few steps, and a lot over the usual 200."""

RATE = [
    *grid("rate", [CLASSIFY, CHAOS, ENGLISH], rate=0.1, updates=200, clip=None),
    *grid("rate", [COPY, FLIP_FLOP], rate=0.03, updates=200, clip=None, optimizer="rmsprop"),
    *grid("rate", [ADDING, ENGLISH], rate=1.0, updates=200, clip=None, optimizer="sgd"),
]
"""Broken by a learning rate far too high, without clipping."""

RELU: tuple[Cell, ...] = ("relu",)

RECTIFIED = [
    *grid("relu", [ENGLISH, CHAOS, DELAY, CLASSIFY, average(20.0)], RELU, updates=500),
    *grid("relu", [ADDING, COPY], RELU, start="identity", steps=40, updates=500, rate=1e-3),
    *grid("relu", [PYTHON, CHAOS], RELU, layers=2, hidden=32, steps=50, updates=400),
    *grid(
        *("relu", [CLASSIFY, CHAOS, DELAY, SINE, COPY, ADDING], RELU),
        **{"start": "identity", "gain": 1.2, "steps": 80, "updates": 120, "rate": 1e-4},
    ),
    *grid(
        *("relu", [CHAOS, CLASSIFY], RELU),
        **{"start": "identity", "gain": 1.15, "layers": 2, "updates": 120, "rate": 1e-4},
    ),
    *broken("relu", [CLASSIFY, CHAOS, DELAY, COPY, ENGLISH], {"relu": 1.6}, steps=80, rate=1e-4),
    *broken("relu", [CHAOS, CLASSIFY], {"relu": 1.7}, layers=2, steps=60, rate=1e-4),
    *grid(
        *("relu", [CLASSIFY, COPY, ADDING], RELU),
        **{"start": "orthogonal", "gain": 1.6, "steps": 80, "updates": 120, "rate": 1e-4},
    ),
]
"""ReLU networks, which nothing in the file tells from tanh: healthy, and broken by their start."""

RECIPES: tuple[Recipe, ...] = (
    *(*SYMBOLS, *FORECASTERS, *MEMORY, *LABELS, *RAW),
    *(*GAIN, *SHORT, *RATE, *RECTIFIED),
)

GROUPS = tuple(dict.fromkeys(recipe.group for recipe in RECIPES))
