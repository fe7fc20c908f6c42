"""What a verdict stands on, in one phrase: which input, and how long."""

from __future__ import annotations

from rnndiag.measure.trace import LayerTrace
from rnndiag.readings.length import said
from rnndiag.readings.words import counted

GIVEN = "your data (--input FILE)"
LENGTH = "the length you train on (--seq-len N)"


def on_what(trace: LayerTrace) -> str:
    """The input that decides: "on its own samples", "on synthetic input: zero, weak"."""
    names = [drive.drive for drive in trace.deciding]
    if trace.basis == "measured":
        return "on the recorded sequences" if names == ["probe"] else "on the given input"
    if trace.basis == "own":
        return "on its own samples"
    if names == ["embedding"]:
        return "on synthetic input: embedding rows at random"
    return f"on synthetic input: {', '.join(names)}"


def how_long(trace: LayerTrace) -> str:
    """The steps and who says so: "200 steps (assumed)"; those of a probe are recorded."""
    if trace.length is None:
        return counted(trace.seq_len, "recorded step")
    return said(trace.length)


def basis(trace: LayerTrace) -> str:
    """Both, to follow a verdict: "over 200 steps (assumed) on its own samples"."""
    return f"over {how_long(trace)} {on_what(trace)}"


def what_would_settle(trace: LayerTrace) -> str:
    """What puts a verdict on firmer ground, for a remedy; "" where nothing would."""
    wanted = [
        *([GIVEN] if trace.basis == "synthetic" else []),
        *([LENGTH] if trace.length_basis == "assumed" else []),
    ]
    return f"settle it with {' and '.join(wanted)}" if wanted else ""
