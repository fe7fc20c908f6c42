"""How the trace's time and memory grow with steps, units and samples, and exponents with k."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from ratios import Row, lstm_pair, normal_inputs, times

from rnndiag.measure.gradient import trace_gradients
from rnndiag.measure.lyapunov import measure_lyapunov
from rnndiag.rollout import run_layer

BASE = {"T": 500, "H": 128, "B": 8}
SERIES = {"T": (250, 500, 1000, 2000), "H": (128, 256, 512, 1024), "B": (4, 8, 16, 32)}
EXPONENTS = (4, 8, 16, 32)
EXPECTED = {"T": 1, "H": 2, "B": 1, "k": 1}
"""Power of each that the time per step must not exceed by much."""


def rows(long: bool) -> list[Row]:
    """None: prints its table. Cost is promised as a law, not as a ratio."""
    print(f"{'':4}{'sizes':>22}  {'ms':>30}  {'MB at most':>22}  power of time, memory (law)")
    for name, sizes in SERIES.items():
        jobs = [_trace(**{**BASE, **({"T": 100} if name == "H" else {}), name: n}) for n in sizes]
        _show(name, sizes, jobs)
    _show("k", EXPONENTS, [_exponents(count) for count in EXPONENTS])
    return []


def _trace(**size: int) -> Callable[[], object]:
    hidden, batch = size["H"], size["B"]
    _, cell = lstm_pair(64, hidden)
    inputs = normal_inputs(size["T"], batch, 64)
    start, seed = np.zeros((batch, 2 * hidden)), np.ones((1, batch, hidden))
    return lambda: trace_gradients([run_layer(cell, inputs, start)], seed)


def _exponents(count: int) -> Callable[[], object]:
    _, cell = lstm_pair(64, 128)
    run = run_layer(cell, normal_inputs(300, 8, 64), np.zeros((8, 256)))
    return lambda: measure_lyapunov(run, count)


def _show(name: str, sizes: tuple[int, ...], jobs: list[Callable[[], object]]) -> None:
    """One line, with the powers fitted to all of its sizes."""
    best = [min(taken) for taken in times(*jobs, clock=time.process_time, repeats=3)]
    peaks = [_peak(job) for job in jobs]
    listed = (
        " ".join(f"{n:>5}" for n in sizes),
        " ".join(f"{1e3 * t:7.0f}" for t in best),
        " ".join(f"{peak / 1e6:5.0f}" for peak in peaks),
    )
    powers = f"{_power(sizes, best):.2f}, {_power(sizes, peaks):.2f} ({EXPECTED[name]})"
    print(f"{name:<4}{listed[0]:>22}  {listed[1]:>30}  {listed[2]:>22}  {powers}", flush=True)


def _peak(job: Callable[[], object]) -> float:
    """Bytes of numpy's arrays at most, beside the inputs and weights."""
    tracemalloc.start()
    job()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(peak)


def _power(sizes: tuple[int, ...], values: list[float]) -> float:
    """p of the least-squares fit value ∝ size^p."""
    logs = [math.log(value) for value in values]
    return float(np.polyfit(np.log(sizes), logs, 1)[0])
