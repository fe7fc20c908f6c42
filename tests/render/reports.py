"""Reports to render: of fixtures, of hostile names, of files with many layers."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import torch
from cli.command import FIXTURES
from torch import nn

from rnndiag.advice import AdviceRequest
from rnndiag.analysis import Request
from rnndiag.report import Command, Report, report_file
from rnndiag.tracing import TraceRequest

COMMANDS: tuple[Command, ...] = ("inspect", "spectrum", "bptt-trace", "suggest", "check")
HOSTILE = "\x1b[31mred[red]\n::error::x##[error]\u202e.rnn"


def measured(path: Path | str, shown_as: str | None = None, seq_len: int | None = 30):
    request = Request(spectrum=True, trace=TraceRequest(seq_len=seq_len, batch=2))
    return report_file(str(path), request, AdviceRequest(), shown_as or Path(path).name)


@functools.cache
def fixture_report(command: Command, name: str = "char_rnn.pt") -> Report:
    return Report(command, {"layer": None}, (fixture_file(name),))


@functools.cache
def fixture_file(name: str):
    return measured(FIXTURES / name)


def named(path: Path, prefix: str, module: nn.Module | None = None) -> Path:
    module = module or nn.GRU(3, 4)
    torch.save({f"{prefix}.{k}": v for k, v in module.state_dict().items()}, path)
    return path


ALL = list(itertools.product(COMMANDS, ("char_rnn.pt", "delayed_recall_lstm.pt")))
