"""Checkpoints made for one rule, and what the rules say of them."""

from __future__ import annotations

from pathlib import Path

import torch
from cli.command import save, scaled_rnn
from torch import nn

from rnndiag.analysis import Request, analyse
from rnndiag.containers import read
from rnndiag.recognise import parse_declaration
from rnndiag.rules import RULES, judge
from rnndiag.tracing import TraceRequest

RELU = (parse_declaration("weight_hh_l0=rnn:relu"),)
TANH = (parse_declaration("weight_hh_l0=rnn:tanh"),)


def judgement(path: Path, declarations=(), seq_len=None, batch=2, rules=RULES, memory=None):
    trace = TraceRequest(seq_len=seq_len, batch=batch, memory=memory)
    request = Request(state_map=True, trace=trace, declarations=declarations)
    return judge(analyse(read(str(path)), request), rules)


def findings(path: Path, code: str, **options):
    """What one rule found; that it could be judged is asserted."""
    judged = judgement(path, **options)
    assert code in judged.judged, judged.not_applicable
    return [finding for finding in judged.findings if finding.code == code]


def codes(path: Path, **options) -> list[str]:
    return [finding.code for finding in judgement(path, **options).findings]


def plain(path: Path, matrix, bias=None, input_scale: float = 1.0, **options) -> Path:
    """A plain RNN with this W_hh, input width 3."""
    matrix = torch.as_tensor(matrix, dtype=torch.float64)
    torch.manual_seed(0)
    module = nn.RNN(3, len(matrix), **options).double()
    with torch.no_grad():
        module.weight_hh_l0.copy_(matrix)
        module.weight_ih_l0.mul_(input_scale)
        if bias is not None:
            module.bias_ih_l0.copy_(torch.as_tensor(bias, dtype=torch.float64))
            module.bias_hh_l0.zero_()
    return save(path, module)


def halving(path: Path, dtype=torch.float64) -> Path:
    """ReLU units, all of them on, that keep half of a gradient at each step whatever comes in."""
    plain(path, 0.5 * torch.eye(4), [1.0] * 4, input_scale=0.0, nonlinearity="relu")
    torch.save({name: weight.to(dtype) for name, weight in torch.load(path).items()}, path)
    return path


def changed(path: Path, module: nn.Module, name: str, rows: slice, value: float) -> Path:
    """A module with some rows of one parameter set to a value."""
    with torch.no_grad():
        module.get_parameter(name)[rows] = value
    return save(path, module)


def default(path: Path, kind: str) -> Path:
    """As torch initialises it, input 8, hidden 16."""
    torch.manual_seed(0)
    return save(path, {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind](8, 16))


def trained(path: Path, steps: int = 5, spoil=None, settings=None, clip=None, model=None) -> Path:
    """A GRU and its readout after some steps of Adam, saved with its state as scripts do."""
    torch.manual_seed(0)
    model = model or nn.ModuleDict({"rnn": nn.GRU(3, 4), "head": nn.Linear(4, 2)})
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(steps):
        optimizer.zero_grad()
        model["head"](model["rnn"](torch.randn(6, 5, 3))[0]).square().mean().backward()
        if clip is not None:
            for parameter in model.parameters():
                parameter.grad *= 1e3  # so that every step is clipped
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    if spoil is not None:
        spoil(optimizer)
    whole = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), **(settings or {})}
    torch.save(whole, path)
    return path


__all__ = [
    "RELU",
    "changed",
    "codes",
    "default",
    "findings",
    "halving",
    "judgement",
    "plain",
    "save",
    "scaled_rnn",
    "trained",
]
