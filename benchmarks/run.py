"""Print the speed ratios that rnndiag promises, worst first: each pair is timed in this one run.

Machines are noisy, so only ratios are promised, and none of this is a test. Run with `make bench`.
"""

from __future__ import annotations

import compileall
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import rnndiag
from rnndiag.cells import CELLS, LayerWeights
from rnndiag.measure.gradient import trace_gradients
from rnndiag.rollout import run_layer

REPEATS = 3


@dataclass(frozen=True)
class Row:
    """One promise and what was measured: `ratio` is the other's time over ours."""

    what: str
    against: str
    ratio: float
    promised: float

    memory: str = ""
    """Peak and promised, where memory is promised."""

    @property
    def margin(self) -> float:
        """Above 1 where the promise is kept."""
        return self.ratio / self.promised


def fastest_pair(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """Their best time over ours, taken in turns so that noise meets both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS):
        for call, kept in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            call()
            kept.append(time.perf_counter() - start)
    return min(times[1]) / min(times[0])


def command(*arguments: str) -> Callable[[], object]:
    """A whole process."""
    return lambda: subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL
    )


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


def whole_processes(folder: Path) -> list[Row]:
    """Whole commands against `import torch` alone."""
    # As pip does with what it installs, torch among it; an editable installation may never be.
    compileall.compile_dir(Path(rnndiag.__file__).parent, quiet=1)
    big, small = folder / "big.pt", folder / "lstm512.pt"
    torch.save(torch.nn.LSTM(2048, 2048, num_layers=4).state_dict(), big)
    torch.save(torch.nn.LSTM(64, 512).state_dict(), small)
    import_torch = command("-c", "import torch")
    inspecting = ("-m", "rnndiag", "inspect", str(big))
    inspect = command(*inspecting)
    memory = f"; peak memory {peak_megabytes(*inspecting):.0f} MB (promised 60)"
    trace = command(
        *("-m", "rnndiag", "bptt-trace", str(small), "--seq-len", "200", "--input", "normal")
    )
    size = f"inspect, {big.stat().st_size >> 20} MB LSTM, whole process"
    return [
        Row(size, "import torch", fastest_pair(inspect, import_torch), 4.0, memory),
        Row(
            "bptt-trace --seq-len 200 --input normal, LSTM 512, whole process",
            "import torch",
            fastest_pair(trace, import_torch),
            1.0,
        ),
    ]


def traces_in_process() -> list[Row]:
    """The gradient trace against torch's fused LSTM, forward and backward, both in float64."""
    sizes = ((200, 128), (2000, 128), (200, 512), (200, 1024))
    return [trace_row(steps, hidden) for steps, hidden in sizes]


def trace_row(steps: int, hidden: int, batch: int = 8) -> Row:
    """One size, with the same weights, inputs and seed on both sides."""
    module = torch.nn.LSTM(hidden, hidden).double()
    get = lambda name: getattr(module, f"{name}_l0").detach().numpy()  # noqa: E731 - accessor
    cell = CELLS["lstm"](
        LayerWeights(get("weight_ih"), get("weight_hh"), get("bias_ih"), get("bias_hh"))
    )
    inputs = np.random.default_rng(0).standard_normal((steps, batch, hidden))
    seed = np.ones((1, batch, hidden))
    tensor = torch.from_numpy(inputs).requires_grad_()

    def ours() -> None:
        trace_gradients([run_layer(cell, inputs, np.zeros((batch, 2 * hidden)))], seed)

    def theirs() -> None:
        module(tensor)[0][-1].sum().backward()

    what = f"gradient trace, LSTM {hidden}, T = {steps}, float64"
    return Row(what, "nn.LSTM forward + backward", fastest_pair(ours, theirs), 1 / 0.6)


def main() -> None:
    """Measure and print every row."""
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as name:
        rows = [*whole_processes(Path(name)), *traces_in_process()]
    for row in sorted(rows, key=lambda row: row.margin):
        kept = "kept" if row.margin >= 1 else "MISSED"
        print(
            f"{row.ratio:6.2f}x (promised {row.promised:.2f}x, {kept})  {row.what}"
            f"  against {row.against}{row.memory}"
        )


if __name__ == "__main__":
    main()
