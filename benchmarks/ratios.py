"""What the groups of benchmarks share: a promise with what was measured, and how it is timed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch

from rnndiag.cells import CELLS, Cell, LayerWeights

REPEATS = 5


@dataclass(frozen=True)
class Row:
    """One promise and what was measured: `ratio` is the other's time over ours."""

    what: str
    against: str
    ratio: float
    promised: float

    memory: str = ""
    """Whatever else is promised, memory or equality: measured and promised."""

    limit: str = ""
    """What stops it where the promise may be missed; printed then."""

    @property
    def margin(self) -> float:
        """Above 1 where the promise is kept."""
        return self.ratio / self.promised

    def __str__(self) -> str:
        kept = self.margin >= 1
        stopped = f"\n{'':9}stopped by {self.limit}" if self.limit and not kept else ""
        return (
            f"{self.ratio:6.2f}x (promised {self.promised:.2f}x, {'kept' if kept else 'MISSED'})"
            f"  {self.what}  against {self.against}{self.memory}{stopped}"
        )


def times(
    *calls: Callable[[], object], clock: Callable[[], float], repeats: int
) -> list[list[float]]:
    """Each call's times in seconds, taken in turns so that noise meets all of them."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, its in zip(calls, taken, strict=True):
            start = clock()
            call()
            its.append(clock() - start)
    return taken


def fastest_pair(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int = REPEATS
) -> float:
    """Their best time over ours: processor time, so that other work on the machine counts less."""
    mine, other = times(ours, theirs, clock=time.process_time, repeats=repeats)
    return min(other) / min(mine)


def median_pair(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> float:
    """Their median over ours, by the clock on the wall: what a user of whole processes waits."""
    mine, other = times(ours, theirs, clock=time.perf_counter, repeats=repeats)
    return median(other) / median(mine)


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A small process starts the measured one, whose peak would else include that of its parent."""


def peak_megabytes(*arguments: str) -> float:
    """The most memory that a whole process held (Linux counts in KiB)."""
    call = [sys.executable, "-c", PEAK, sys.executable, *arguments]
    return int(subprocess.run(call, check=True, capture_output=True).stdout) * 1024 / 1e6


def lstm_pair(inputs: int, hidden: int) -> tuple[torch.nn.LSTM, Cell]:
    """torch's module and rnndiag's cell with the same weights, in float64."""
    torch.manual_seed(0)
    module = torch.nn.LSTM(inputs, hidden).double()
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    arrays = (getattr(module, f"{name}_l0").detach().numpy() for name in names)
    return module, CELLS["lstm"](LayerWeights(*arrays))


def normal_inputs(steps: int, batch: int, width: int) -> np.ndarray:
    """Shape (steps, batch, width)."""
    return np.random.default_rng(0).standard_normal((steps, batch, width))
