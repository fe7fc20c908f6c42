"""The gradient trace against torch's fused LSTM and unrolled cells, and a long run's memory.

What stops the row of 128 units short of 3x (2.2 to 2.5 were measured): of 250 to 330 microseconds a
step (batch 8, one thread), 80 are the three products of matrices that cannot be left out, 35 to 50
linearise, 30 are the new state's exponentials and products, 25 the rest of a pullback, 13 its
rescaling and 15 the norms. Arithmetic on 8 x 128 numbers takes about 1, no more than calling numpy
at all, and a step makes some 35 such calls. Torch's cells take 570 to 850. Of 256 units it is the
products themselves: 350 of 630, where torch's cells take 1500 (2.3 to 2.7x were measured).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from ratios import Row, fastest_pair, lstm_pair, normal_inputs, peak_megabytes

from rnndiag.measure.gradient import trace_gradients
from rnndiag.rollout import run_layer

BATCH = 8
SIZES = ((200, 128), (2000, 128), (200, 256), (200, 512), (2000, 512), (200, 1024))
"""(steps, units)."""

LONG_SIZES = (*SIZES, (2000, 1024))
LIMIT = "three matrix products and some 35 small numpy calls a step (benchmarks/gradient_trace.py)"

MANY = 100_000
MEGABYTES = 1000
"""Promised at most for MANY steps of 256 units, one sample."""


def rows(long: bool) -> list[Row]:
    """In process; with `long` also 2,000 steps of 1024 units, and the command on 100,000 steps."""
    found = []
    for steps, hidden in LONG_SIZES if long else SIZES:
        ours, fused, unrolled = _contestants(steps, hidden)
        repeats = 5 if steps * hidden**2 < 1e7 else 2
        what = f"gradient trace, LSTM {hidden}, T = {steps}, batch {BATCH}, float64"
        ratio = fastest_pair(ours, fused, repeats=repeats)
        found.append(Row(what, "nn.LSTM forward + backward", ratio, 1 / 0.6))
        if steps == SIZES[0][0]:
            ratio = fastest_pair(ours, unrolled, repeats=repeats)
            against = "unrolled torch cells with retain_grad"
            found.append(Row(what, against, ratio, 3.0, limit=LIMIT))
    return [*found, _long_row()] if long else found


def _contestants(steps: int, hidden: int) -> tuple[Callable[[], None], ...]:
    """Ours, torch's fused module, torch's cells; the same weights, inputs and seed."""
    module, cell = lstm_pair(hidden, hidden)
    inputs = normal_inputs(steps, BATCH, hidden)
    tensor = torch.from_numpy(inputs).requires_grad_()
    seed = np.ones((1, BATCH, hidden))
    torch_cell = torch.nn.LSTMCell(hidden, hidden).double()
    for name, value in module.named_parameters():
        getattr(torch_cell, name.removesuffix("_l0")).data = value.data

    def ours() -> None:
        trace_gradients([run_layer(cell, inputs, np.zeros((BATCH, 2 * hidden)))], seed)

    def fused() -> None:
        module(tensor)[0][-1].sum().backward()

    def unrolled() -> None:
        state, kept = None, []
        for x in tensor:
            state = torch_cell(x, state)
            state[0].retain_grad()
            kept.append(state[0])
        kept[-1].sum().backward()
        _ = [float(h.grad.norm()) for h in kept]

    return ours, fused, unrolled


def _long_row() -> Row:
    """The whole command; the ratio is the promised peak over the measured one."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "lstm256.pt")
        torch.save(torch.nn.LSTM(256, 256).state_dict(), path)
        options = ("--seq-len", str(MANY), "--batch", "1", "--input", "normal")
        peak = peak_megabytes("-m", "rnndiag", "bptt-trace", str(path), *options)
    what = f"peak memory of bptt-trace, LSTM 256, T = {MANY:,}, batch 1"
    return Row(what, f"{MEGABYTES} MB", MEGABYTES / peak, 1.0, f"; {peak:.0f} MB")
