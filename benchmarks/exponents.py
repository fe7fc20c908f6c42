"""Lyapunov exponents against dense torch.func.jacrev and QR at every step."""

from __future__ import annotations

import numpy as np
import torch
from ratios import Row, fastest_pair, lstm_pair, normal_inputs

from rnndiag.measure.lyapunov import TRANSIENT, measure_lyapunov
from rnndiag.rollout import run_layer

HIDDEN, STEPS = 64, 1000
SEED = 0


def rows(long: bool) -> list[Row]:
    """Of 8 and of all exponents; with `long` of 8 samples as well."""
    return [_row(batch, count) for batch in ((1, 8) if long else (1,)) for count in (8, 2 * HIDDEN)]


def _row(batch: int, count: int) -> Row:
    module, cell = lstm_pair(HIDDEN, HIDDEN)
    inputs = normal_inputs(STEPS, batch, HIDDEN)
    ours: list[np.ndarray] = []
    theirs: list[np.ndarray] = []

    def measure() -> None:
        run = run_layer(cell, inputs, np.zeros((batch, 2 * HIDDEN)))
        ours.append(measure_lyapunov(run, count, SEED).exponents)

    ratio = fastest_pair(measure, lambda: theirs.append(dense(module, inputs, count)), repeats=2)
    difference = np.abs(ours[0] - theirs[0]).max()
    what = f"{count} Lyapunov exponents, LSTM {HIDDEN}, T = {STEPS}, batch {batch}, float64"
    return Row(
        what,
        "jacrev + QR at each step",
        ratio,
        10.0 if count == 8 else 2.0,
        f"; largest difference {difference:.0e} (promised 1e-06)",
    )


def dense(module: torch.nn.LSTM, inputs_tbi: np.ndarray, count: int) -> np.ndarray:
    """The same from the same first tangents, all samples' Jacobians in one call."""
    weight_ih, weight_hh, bias_ih, bias_hh = (value.detach() for value in module.parameters())

    def step(state: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        h, c = state.chunk(2)
        i, f, g, o = (weight_ih @ x + bias_ih + weight_hh @ h + bias_hh).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.cat([torch.sigmoid(o) * torch.tanh(c), c])

    batched, jacobian = torch.func.vmap(step), torch.func.vmap(torch.func.jacrev(step))
    batch = inputs_tbi.shape[1]
    state = torch.zeros(batch, 2 * HIDDEN, dtype=torch.float64)
    start = np.random.default_rng([SEED, 3]).standard_normal((batch, 2 * HIDDEN, count))
    tangents = torch.linalg.qr(torch.from_numpy(start))[0]
    logs = []
    with torch.no_grad():
        for x in torch.from_numpy(inputs_tbi):
            tangents, r = torch.linalg.qr(jacobian(state, x) @ tangents)
            state = batched(state, x)
            logs.append(torch.diagonal(r, dim1=-2, dim2=-1).abs().log().mean(0))
    kept = torch.stack(logs)[int(TRANSIENT * len(logs)) :]
    return np.sort(kept.mean(0).numpy())[::-1]
