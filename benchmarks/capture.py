"""What `rnndiag.capture` adds to a training step: at most 15 % of it."""

from __future__ import annotations

import statistics
import sys
import time

import torch
from torch import nn

import rnndiag

PROMISED = 0.15
"""Share of a step's time that capturing may add."""

ROUNDS = 120
"""Pairs of steps. With 40 the median still moved by three points from run to run."""


class Loop(nn.Module):
    """A cell called step by step."""

    def __init__(self, cell: nn.RNNCellBase) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, None]:
        """(h_1 … h_T, nothing), as a whole module gives its output first."""
        state, outputs = None, []
        for step in inputs:
            state = self.cell(step, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outputs), None


class Tagger(nn.Module):
    """A small model as people train it: embedding, recurrent stack, readout."""

    def __init__(self, kind: type[nn.Module], hidden: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(1000, hidden)
        looped = issubclass(kind, nn.RNNCellBase)
        self.rnn = Loop(kind(hidden, hidden)) if looped else kind(hidden, hidden, layers)
        self.readout = nn.Linear(hidden, 1000)

    def forward(self, symbols: torch.Tensor) -> torch.Tensor:
        """Scores of the next symbol."""
        return self.readout(self.rnn(self.embed(symbols))[0])


def one_step(model: nn.Module, optimizer: torch.optim.Optimizer, symbols: torch.Tensor) -> float:
    """Processor seconds of one training step."""
    start = time.process_time()
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(symbols).flatten(0, 1), symbols.flatten())
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return time.process_time() - start


def added(
    kind: type[nn.Module], hidden: int, layers: int, steps: int, batch: int
) -> tuple[float, float]:
    """Share that capturing adds to a step: median of the pairs, and of the fastest steps.

    A step without and one with it are timed in turn and compared to each other: what else the
    machine does slows both, and the fastest least. Entering and leaving the block is not a step and
    not counted; saving is done once, after it.
    """
    model = Tagger(kind, hidden, layers)
    optimizer = torch.optim.Adam(model.parameters())
    symbols = torch.randint(1000, (steps, batch))
    one_step(model, optimizer, symbols)
    plain, captured = [], []
    for _ in range(ROUNDS):
        plain.append(one_step(model, optimizer, symbols))
        with rnndiag.capture(model):
            captured.append(one_step(model, optimizer, symbols))
    ratios = [more / less for less, more in zip(plain, captured, strict=True)]
    return statistics.median(ratios) - 1.0, min(captured) / min(plain) - 1.0


CASES = (
    (nn.LSTM, 32, 1, 20, 8),
    (nn.LSTM, 64, 1, 50, 16),
    (nn.GRU, 128, 2, 100, 8),
    (nn.LSTM, 256, 2, 100, 16),
    (nn.RNN, 128, 1, 200, 32),
    (nn.LSTMCell, 128, 1, 50, 16),
    (nn.GRUCell, 64, 1, 100, 16),
)


def main() -> int:
    """Print every case, the dearest first; 1 where one costs more than was promised."""
    torch.set_num_threads(1)
    rows = sorted(((added(*case), case) for case in CASES), key=lambda row: row[0], reverse=True)
    for (share, fastest), (kind, hidden, layers, steps, batch) in rows:
        kept = "kept" if share <= PROMISED else "MISSED"
        print(
            f"{share:+7.1%}, fastest {fastest:+6.1%} (promised {PROMISED:.0%}, {kept})  capture: "
            f"{kind.__name__} {hidden} x {layers}, T = {steps}, batch {batch}"
        )
    return int(rows[0][0][0] > PROMISED)


if __name__ == "__main__":
    sys.exit(main())
