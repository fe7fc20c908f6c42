"""Reports to render: of fixtures, of hostile names, of files with many layers."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from pathlib import Path

import torch
from cli.command import FIXTURES
from torch import nn

from rnndiag.accepting import accept, baseline_of
from rnndiag.advice import AdviceRequest
from rnndiag.analysis import Request
from rnndiag.baseline import Accepted, Baseline, Key
from rnndiag.comparison import compare
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.report import Command, FailOn, FileReport, Report, SkippedFile, report_file
from rnndiag.rules import Finding
from rnndiag.tracing import TraceRequest

COMMANDS: tuple[Command, ...] = ("inspect", "spectrum", "bptt-trace", "suggest", "check")
HOSTILE = "\x1b[31mred[red]\n::error::x##[error]\u202e.rnn"


def measured(path: Path | str, shown_as: str | None = None, seq_len: int | None = 30):
    trace = TraceRequest(seq_len=seq_len, batch=2)
    request = Request(spectrum=True, trace=trace, other_weights=True)
    return report_file(str(path), request, AdviceRequest(), shown_as or Path(path).name)


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

NASTY = (
    "<script>alert(1)</script>",
    "[red]x[/]",
    "a\n::error::b",
    "a|b",
    "\x1b[31m",
    "]]>&amp;<!--",
    "`x` ``` *y* __z__",
    "[x](javascript:y) ![i](http://a.example/i.png)",
    "@someone #1 http://a.example www.a.example :tada:",
    "=1+2",
    "\ufffe\x00\x7f\u202e",
    "{0} {{",
    "a,b:c;d%0A",
    "</details>\n\n# h",
)
"""Names that mean something in one format or another."""


@functools.cache
def nasty_report(name: str) -> Report:
    """A gate's report in which a path, a layer, a message, an error and a reason all say it."""
    good = fixture_file("delayed_recall_gru.pt")
    finding = Finding("RD301", "error", f"{name}/0/forward", f"it says {name}", f"avoid {name}")
    file = replace(good, path=f"{name}.pt", findings=(finding,))
    error = RnndiagError(InputCode.DAMAGED, f"what {name}", f"remedy {name}")
    unread = FileReport(f"unread {name}", error=error)
    skipped = SkippedFile(f"skipped {name}", f"reason {name}")
    return Report("check", {}, (file, unread), (skipped,), "error")


@functools.cache
def gate_report(fail_on: FailOn = "error") -> Report:
    """An error, a note, a file without a verdict, and a skipped one."""
    files = (
        measured(FIXTURES / "exploding_rnn.pt", seq_len=200),
        measured(FIXTURES / "length_one_rnn.pt", seq_len=None),
        FileReport("a b/cut#1.pt", error=RnndiagError(InputCode.DAMAGED, "cut", "copy it again")),
    )
    return Report("check", {}, files, (SkippedFile("README.md", "a text file"),), fail_on)


@functools.cache
def baseline_report(name: str = "base.json") -> Report:
    """An error that is worse than accepted, a warning as accepted, a new one, a stale entry."""
    files = gate_report().files
    baseline = baseline_of(files, name)
    exploding = baseline.relative(files[0].path)
    kept = {key: one for key, one in baseline.entries.items() if key.code not in {"RD102", "RD301"}}
    kept[Key(exploding, files[0].findings[0].layer, "RD301")] = Accepted("lag_of_growth", 1000.0)
    kept[Key(exploding, f"{name}/0/forward", "RD103")] = Accepted("zero_rows", 3.0)
    kept[Key("elsewhere.pt", "rnn/0/forward", "RD301")] = Accepted("lag_of_growth", 3.0)
    marked, comparison = accept(files, Baseline(name, kept), 0.1)
    return Report("check", {}, marked, fail_on="warning", baseline=comparison)


EMPTY = Report("check", {}, ())
"""A gate that met nothing."""


def difference() -> Report:
    """Of a fixture and itself under another name."""
    old, new = fixture_file("char_rnn.pt"), fixture_file("char_rnn.pt")
    files = (replace(old, path="old.pt"), replace(new, path="new.pt"))
    return Report("diff", {}, files, comparison=compare([old.result, new.result]))
