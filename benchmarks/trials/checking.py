"""Ask `rnndiag check` about one trained network, four ways, and keep what it said."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import numpy as np
from trials import truth
from trials.training import Trained

from rnndiag.cli import run

Said = Literal["error", "unsure", "clean", "no verdict"]

WAYS = ("file alone", "length", "input", "probe")
"""Nothing but the file; with --seq-len; with --input as well; with --probe instead."""

UNDECLARED = "file alone, relu not declared"
"""The way in which a bare file of a ReLU network is met; nothing in it says relu."""

LAG = 20
"""At which gradients are compared; every sequence is as long."""

DECLARED = ("--as", "*weight_hh*=rnn:relu")


@dataclass(frozen=True)
class Drive:
    """What one kind of input does to the top layer, as shown."""

    name: str
    deciding: bool
    growth: float
    """Decades, of the layer that grows most; inf where the forward pass overflows."""

    half_life: float | None
    horizon: int | None
    at_lag: float | None
    """log10 φ at lag 20, counted from the larger of lags 0 and 1."""


@dataclass(frozen=True)
class Answer:
    """What `check` said of one network, asked one way."""

    said: Said
    codes: tuple[str, ...]
    """Of errors and warnings."""

    steps: int | None
    """Over which was traced."""

    basis: str
    """What the verdict stands on, and the length; "" where it does not say."""

    drives: tuple[Drive, ...]
    message: str
    """Of the first finding that made it an error or unsure, or of the failure."""

    def deciding(self, measure: str) -> float | None:
        """The middle value of the deciding drives; None where one has none."""
        values = [getattr(drive, measure) for drive in self.drives if drive.deciding]
        return None if not values or None in values else float(median(values))


def command(trained: Trained, way: str) -> list[str]:
    """The arguments after `rnndiag`."""
    length = ["--seq-len", str(trained.recipe.steps)]
    given = {
        "file alone": [],
        UNDECLARED: [],
        "length": length,
        "input": ["--input", trained.inputs, *length],
        "probe": ["--probe", trained.probe],
    }[way]
    declared = DECLARED if trained.recipe.cell == "relu" and way != UNDECLARED else ()
    return ["check", trained.checkpoint, *given, *declared, "--format", "json", "--no-progress"]


def in_process(arguments: Sequence[str]) -> str:
    """The standard output of the command, without a new process for each of a thousand calls.

    What is run is the command's own entry; that both say the same is tested.
    """
    said, complaints = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints):
        run(arguments)
    return said.getvalue() or complaints.getvalue()


def ask(trained: Trained, way: str) -> Answer:
    """One verdict."""
    text = in_process(command(trained, way))
    try:
        report = json.loads(text)
    except json.JSONDecodeError:
        return Answer("no verdict", (), None, "", (), text.strip())
    return read_answer(report)


def read_answer(report: dict[str, Any]) -> Answer:
    """What a JSON report of one file says."""
    (file,) = report["files"]
    if report["verdict"]["exit_code"] not in (0, 1):
        what = (file["error"] or {}).get("what", "")
        return Answer("no verdict", (), None, "", (), what)
    traces = [layer["trace"] for layer in file["layers"] if layer["trace"]]
    told = [f for f in file["findings"] if f["severity"] != "note"]
    # A recorded norm that is inf is another error (RD405), and right.
    errors = [f for f in told if f["code"] == "RD301"]
    unsure = [f for f in told if f["code"] == "RD303"]
    said: Said = "error" if errors else "unsure" if unsure or _any_unsure(traces) else "clean"
    first = next(iter(errors or unsure), None)
    return Answer(
        said,
        tuple(sorted({f["code"] for f in told})),
        traces[-1]["seq_len"] if traces else None,
        ", ".join(filter(None, (_told(traces, "basis"), _told(traces, "length_basis")))),
        tuple(_drives(traces)),
        first["message"] if first else "",
    )


def _any_unsure(traces: Iterable[dict[str, Any]]) -> bool:
    return any(trace["verdict"] == "unsure" for trace in traces)


def _told(traces: Sequence[dict[str, Any]], key: str) -> str:
    """The top layer's word for it."""
    return str(traces[-1].get(key) or "") if traces else ""


def _drives(traces: Sequence[dict[str, Any]]) -> Iterable[Drive]:
    """Every drive of the top layer."""
    for place, top in enumerate(traces[-1]["drives"] if traces else ()):
        same = [trace["drives"][place] for trace in traces]
        curve = np.array(_numbers(top["log10_gradient_norm"]))
        counted = truth.counted(curve)
        at_lag = float(counted[LAG]) if len(counted) > LAG else None
        yield Drive(
            top["drive"],
            bool(top.get("deciding", True)),
            max(_growth(drive) for drive in same),
            top["half_life"],
            top["horizon_1e3"],
            at_lag,
        )


def _growth(drive: dict[str, Any]) -> float:
    if drive["overflow_step"] is not None or drive["growth_log10"] is None:
        return float("inf")
    return float(drive["growth_log10"])


def _numbers(values: Iterable[Any]) -> list[float]:
    """A list of the report, where what is not finite is a word."""
    return [float(value) for value in values]
