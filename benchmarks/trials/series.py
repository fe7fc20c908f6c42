"""Series that networks are trained on: dynamical systems, and text of Python's standard library."""

from __future__ import annotations

import argparse
import functools
import importlib
import inspect

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

COPIES = 64
"""Trajectories of one system, run side by side."""

LENGTH = 700
"""Recorded points of each; windows of at most 200 are cut from them."""


@functools.cache
def lorenz() -> Floats:
    """Lorenz (1963), σ = 10, ρ = 28, β = 8/3, a point every 0.04: (LENGTH, COPIES, 3), raw."""
    rng = np.random.default_rng(63)
    state = rng.normal((0.0, 0.0, 25.0), 5.0, (COPIES, 3))

    def slope(s: Floats) -> Floats:
        x, y, z = s.T
        return np.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z], -1)

    points = []
    for step in range(2 * LENGTH + 400):
        k1 = slope(state)
        k2 = slope(state + 0.01 * k1)
        k3 = slope(state + 0.01 * k2)
        k4 = slope(state + 0.02 * k3)
        state = state + 0.02 / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        if step >= 400 and step % 2:
            points.append(state)
    return np.array(points)


@functools.cache
def mackey_glass() -> Floats:
    """Mackey and Glass (1977), delay 17, a point every unit of time: (LENGTH, COPIES, 1)."""
    rng = np.random.default_rng(77)
    history = list(rng.uniform(0.5, 1.3, (170, COPIES)))
    for _ in range(10 * (LENGTH + 100)):
        late, now = history[-170], history[-1]
        history.append(now + 0.1 * (0.2 * late / (1.0 + late**10) - 0.1 * now))
    return np.array(history[170 + 1000 :: 10])[:LENGTH, :, None]


@functools.cache
def noisy_oscillator() -> Floats:
    """A damped oscillation of period 25 kept up by noise, both coordinates; variance about 1."""
    rng = np.random.default_rng(25)
    angle, radius = 2.0 * np.pi / 25.0, 0.97
    turn = radius * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    state = rng.normal(0.0, 1.0, (COPIES, 2))
    points = []
    for _ in range(LENGTH):
        state = state @ turn.T + rng.normal(0.0, np.sqrt(1.0 - radius**2), (COPIES, 2))
        points.append(state)
    return np.array(points)


@functools.cache
def weather() -> Floats:
    """Temperature in °C, pressure in hPa, humidity in %, by the hour: (LENGTH, COPIES, 3), raw."""
    rng = np.random.default_rng(12)
    hours = np.arange(LENGTH)[:, None] + rng.uniform(0.0, 24.0, COPIES)
    slow = np.zeros((LENGTH, COPIES, 3))
    for hour in range(1, LENGTH):
        slow[hour] = 0.98 * slow[hour - 1] + 0.2 * rng.normal(0.0, 1.0, (COPIES, 3))
    day = np.sin(2.0 * np.pi * hours / 24.0)
    temperature = 15.0 + 6.0 * day + 5.0 * slow[..., 0]
    pressure = 1013.0 + 9.0 * slow[..., 1]
    humidity = np.clip(65.0 - 12.0 * day + 12.0 * slow[..., 2], 5.0, 100.0)
    return np.stack([temperature, pressure, humidity], -1)


@functools.cache
def text(name: str) -> str:
    """English (the help pages of pydoc) or Python (the source of argparse), ASCII only."""
    if name == "english":
        topics = importlib.import_module("pydoc_data.topics").topics
        whole = "\n".join(topics[key] for key in sorted(topics))
    else:
        whole = inspect.getsource(argparse)
    return "".join(c for c in whole if c == "\n" or " " <= c <= "~")[:200_000]


@functools.cache
def symbols(name: str, words: int = 0) -> tuple[NDArray[np.int64], int]:
    """A text as numbers and how many there are: its characters, or its `words` commonest words.

    Every word that is not among those is the last symbol.
    """
    parts = text(name).split() if words else list(text(name))
    values, counts = np.unique(parts, return_counts=True)
    kept = values[np.argsort(-counts, kind="stable")][: words - 1] if words else values
    number = {value: place for place, value in enumerate(kept)}
    other = len(kept)
    return np.array([number.get(part, other) for part in parts]), other + bool(words)


@functools.cache
def markov_chain(states: int) -> Floats:
    """A transition matrix with about three likely successors of each state."""
    rng = np.random.default_rng(states)
    return rng.dirichlet(np.full(states, 3.0 / states), states)
