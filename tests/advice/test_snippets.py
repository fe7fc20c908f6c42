"""The code to paste is run: with and without chunks, on every kind of recurrent module."""

from __future__ import annotations

import ast

import pytest
import torch
from torch import nn

from rnndiag.advice.clipping import ClippingAdvice
from rnndiag.advice.snippets.torch_loop import torch_loop
from rnndiag.advice.truncation import TruncationAdvice

CLIP = ClippingAdvice(max_norm=0.25, basis="convention", reasonable_range=None, reason="")
WHOLE = TruncationAdvice("longer-than-tested", 0.1)
CHUNKED = TruncationAdvice("heuristic", 0.1, 4, 6)
STEPS = 20


class Recording(torch.optim.SGD):
    """Counts its steps and keeps the size of each gradient as it arrives."""

    def __init__(self, parameters) -> None:
        super().__init__(parameters, lr=0.1)
        self.norms: list[float] = []

    def step(self, closure=None):
        gradients = [p.grad.flatten() for p in self.param_groups[0]["params"]]
        self.norms.append(float(torch.cat(gradients).norm()))
        return super().step(closure)


def execute(truncation: TruncationAdvice, model: nn.Module):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(STEPS, 2, 3, generator=generator)
    y = 50.0 * torch.randn(STEPS, 2, 4, generator=generator)
    optimizer = Recording(model.parameters())
    names = {
        **{"torch": torch, "model": model, "optimizer": optimizer},
        **{"criterion": nn.MSELoss(), "batches": [(x, y), (x, y)]},
    }
    before = [p.clone() for p in model.parameters()]
    exec(compile(torch_loop(CLIP, truncation), "snippet", "exec"), names)
    assert any((a != b).any() for a, b in zip(before, model.parameters(), strict=True))
    return optimizer, names


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize(
    ("truncation", "steps"), [(WHOLE, 2), (CHUNKED, 8)], ids=["whole", "chunks"]
)
def test_it_runs_clips_and_steps(kind, truncation, steps):
    torch.manual_seed(0)
    optimizer, names = execute(truncation, kind(3, 4))
    # 20 steps in chunks of 6 are four chunks, in each of two batches.
    assert len(optimizer.norms) == steps
    assert max(optimizer.norms) == pytest.approx(0.25, rel=1e-3)
    assert float(names["norm"]) > 0.25, "the target is far away, so it had to clip"


def test_the_last_chunks_state_is_detached():
    _, names = execute(CHUNKED, nn.LSTM(3, 4))
    assert all(state.grad_fn is None for state in names["state"])


def test_it_is_code_that_shows_the_values():
    text = torch_loop(CLIP, CHUNKED)
    assert "max_norm=0.25" in text
    assert "split(6)" in text
    ast.parse(text)
