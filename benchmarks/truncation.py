"""Truncation: the time of the bias curve, and whether the advised lengths teach.

python benchmarks/run.py --only truncation   the curve for every K against one autograd run per K
python benchmarks/truncation.py [KIND...]    delayed recall from scratch: GRU, or RNN and LSTM too
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from ratios import Row, fastest_pair, lstm_pair, normal_inputs
from torch import Tensor, nn
from torch.nn import functional

from rnndiag.api import suggest
from rnndiag.measure.lag_gradients import Losses, measure_lag_gradients
from rnndiag.measure.truncation import TruncationCurves
from rnndiag.rollout import run_layer
from rnndiag.tracing import TraceRequest

LAGS, BATCH = 100, 8

DELAY, HIDDEN, STEPS = 8, 32, 60
"""Of the recall: the symbol of 8 steps ago, by 32 units, on sequences of 60 steps."""

UPDATES = 400

TOO_SHORT = (4, DELAY)
"""A window in which no loss sees the symbol that it asks for, 8 lags back: it cannot teach more
than chance."""


def rows(long: bool) -> list[Row]:
    """The bias curve for every K at once, the run of the network included."""
    return [_curve_row(hidden, known) for hidden in (64, 256) for known in (False, True)]


def _curve_row(hidden: int, known: bool) -> Row:
    """Against torch's fused LSTM on the last K steps from a state that it need not compute."""
    module, cell = lstm_pair(hidden, hidden)
    inputs = normal_inputs(LAGS, BATCH, hidden)
    seed = np.ones((1, BATCH, hidden))
    tensor, parameters = torch.from_numpy(inputs), list(module.parameters())
    state = tuple(torch.zeros(1, BATCH, hidden, dtype=torch.float64) for _ in range(2))

    def ours() -> None:
        run = run_layer(cell, inputs, np.zeros((BATCH, 2 * hidden)))
        losses = Losses.at_the_end(LAGS, seed, independent=not known)
        curves = TruncationCurves(measure_lag_gradients([run], losses).whole)
        _ = curves.sliding, curves.chunk  # computed when they are first looked at

    def theirs() -> None:
        for lags in range(1, LAGS + 1):
            torch.autograd.grad(module(tensor[-lags:], state)[0][-1].sum(), parameters)

    loss = "known" if known else "unknown"
    what = f"truncation bias for every K ≤ {LAGS}, LSTM {hidden}, {loss} loss, float64"
    return Row(what, "one nn.LSTM forward + backward per K", fastest_pair(ours, theirs), 20.0)


class Recall(nn.Module):
    """A recurrent module called `rnn` and a readout."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.rnn = kind(2, HIDDEN)
        self.readout = nn.Linear(HIDDEN, 2)


def window_losses(model: Recall, symbols_tb: Tensor, k1: int, k2: int) -> Iterator[Tensor]:
    """Every k1 steps the losses of those steps, with a graph that goes back k2 steps."""
    inputs = functional.one_hot(symbols_tb, 2).float()
    with torch.no_grad():  # the state before every step, to start a window from
        states, state = [None], None
        for x in inputs:
            state = model.rnn(x[None], state)[1]
            states.append(state)
    for end in range(k1, STEPS + 1, k1):
        start = max(0, end - k2)
        first = max(end - k1, DELAY)
        if first >= end:
            continue
        output = model.rnn(inputs[start:end], states[start])[0][first - start :]
        wanted = symbols_tb[first - DELAY : end - DELAY]
        yield functional.cross_entropy(
            model.readout(output).flatten(0, 1), wanted.flatten(), reduction="sum"
        ) / (wanted.shape[1] * (STEPS - DELAY))


def trained(kind: type[nn.RNNBase], seed: int, k1: int, k2: int) -> tuple[Recall, float]:
    """From scratch, one update a batch whatever the windows; and the loss on fresh sequences."""
    torch.manual_seed(seed)
    model = Recall(kind)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for update in range(UPDATES):
        optimizer.param_groups[0]["lr"] = 0.01 * min(1.0, 2 * (1 - update / UPDATES) + 0.02)
        optimizer.zero_grad()
        for loss in window_losses(model, torch.randint(2, (STEPS, 32)), k1, k2):
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        fresh = window_losses(model, torch.randint(2, (STEPS, 256)), STEPS, STEPS)
        return model, float(sum(fresh))


def retrain(kinds: Sequence[type[nn.RNNBase]]) -> None:
    """Losses of three seeds with the whole gradient, the advised window, and half of it."""
    print(f"chance {math.log(2):.3f}; loss after {UPDATES} updates by seed")
    for kind in kinds:
        whole = [trained(kind, seed, STEPS, STEPS) for seed in range(3)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.pt"
            torch.save(whole[0][0].state_dict(), path)
            advice = suggest(str(path), TraceRequest(seq_len=200)).truncation
        show(kind, "whole gradient", [loss for _, loss in whole])
        if advice.window is None:
            print(f"{kind.__name__:5}{advice.status}: no window to try")
            continue
        k1, k2 = advice.window
        half = max(1, k1 // 2), max(1, k2 // 2)
        for label, size in (("advised", (k1, k2)), ("half", half), ("too short", TOO_SHORT)):
            losses = [trained(kind, seed, *size)[1] for seed in range(3)]
            show(kind, f"{label} (k1, k2) = {size}", losses)


def show(kind: type[nn.RNNBase], what: str, losses: list[float]) -> None:
    """One line."""
    print(f"{kind.__name__:5}{what:32}" + "  ".join(f"{loss:.4f}" for loss in losses), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    retrain([getattr(nn, name) for name in sys.argv[1:] or ("GRU",)])
