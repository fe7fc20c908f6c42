"""A forget or update gate whose biases let go long before the task does."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rnndiag.advice.changes.base import Change, loss_of_gradient, needed_steps, vanishing
from rnndiag.analysis import FileResult
from rnndiag.rules import DEFAULT_LIMITS, Limits

SHORTEST = 3
"""Steps for which ln(T − 1) is above zero."""


def propose(result: FileResult, limits: Limits = DEFAULT_LIMITS) -> Iterator[Change]:
    """Chrono initialisation where the longest gate memory is shorter than what is needed."""
    needed = needed_steps(result)
    if needed is None or needed < SHORTEST:
        return
    found = [
        (item, drive, gate)
        for item, drive in vanishing(result, limits)
        for gate in item.weights.gate_time_constants
        if gate.longest < needed
    ]
    for cell, kind in (("lstm", "forget"), ("gru", "update")):
        own = [entry for entry in found if entry[0].layer.cell == cell]
        if not own:
            continue
        _, drive, gate = max(own, key=lambda entry: entry[2].longest)
        bias = math.log(needed - 1)
        yield Change(
            what=(
                f"train again from {kind}-gate biases of up to ln({needed} - 1) = {bias:.2g} in "
                f"total, for a memory of {needed} steps (chrono initialisation); PyTorch adds two "
                "biases, so set one and zero the other: 1 in both gives 7.9 steps"
            ),
            because=(
                f"{loss_of_gradient(drive)}, and no unit's {kind}-gate biases alone keep more than "
                f"{gate.longest:.3g} steps"
            ),
            source="Tallec & Ollivier 2018" + ("; " + _LSTMS if cell == "lstm" else ""),
            layers=tuple(item.layer.label for item, *_ in own),
            evidence={
                "needed_steps": needed,
                "longest_gate_steps": gate.longest,
                "log10_gradient_at_last_lag": float(drive.log10_gradient_norm[-1]),
                "bias": bias,
            },
            code=(_LSTM if cell == "lstm" else _GRU).format(last=needed - 1),
        )


_LSTMS = "Jozefowicz, Zaremba & Sutskever 2015"
"""Who measured a positive forget bias on many architectures."""

_LSTM = """\
lstm = model.lstm  # the nn.LSTM, before it is trained; PyTorch's gates are i, f, g, o
hidden = lstm.hidden_size
with torch.no_grad():
    for name, bias in lstm.named_parameters():
        if name.startswith("bias_ih"):
            forget = torch.empty(hidden).uniform_(1, {last}).log()
            bias[hidden : 2 * hidden] = forget
            bias[:hidden] = -forget
        elif name.startswith("bias_hh"):
            bias[: 2 * hidden] = 0.0"""

_GRU = """\
gru = model.gru  # the nn.GRU, before it is trained; PyTorch's gates are r, z, n, and z keeps
hidden = gru.hidden_size
with torch.no_grad():
    for name, bias in gru.named_parameters():
        if name.startswith("bias_ih"):
            bias[hidden : 2 * hidden] = torch.empty(hidden).uniform_(1, {last}).log()
        elif name.startswith("bias_hh"):
            bias[hidden : 2 * hidden] = 0.0"""
