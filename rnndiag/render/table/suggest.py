"""The tables of `suggest`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from rnndiag.advice import Advice, TruncationAdvice
from rnndiag.advice.snippets import FRAMEWORKS
from rnndiag.render.table import changes
from rnndiag.render.table import clipping as clipping_part
from rnndiag.render.table.parts import bullets, code, table


def show(advice: Advice) -> Iterator[RenderableType]:
    """The two values, what they rest on, changes worth making, and code to paste."""
    yield _values(advice)
    yield bullets([*clipping_part.sentences(advice.clipping), *_truncation(advice.truncation)])
    yield from changes.show(advice)
    for name, text in advice.snippets.items():
        yield Text(f"\n{FRAMEWORKS[name].title}, to paste:", style="bold")
        yield from code(text)


def _values(advice: Advice) -> RenderableType:
    clipping, truncation = advice.clipping, advice.truncation
    made = table("what", "value", "basis", left=("what", "value", "basis"))
    made.add_row(
        "clip by norm", f"max_norm = {clipping.max_norm:g}", clipping_part.BASIS[clipping.basis]
    )
    made.add_row("lags to keep", _lags(truncation), _STATUS[truncation.status])
    if truncation.window is not None:
        k1, k2 = truncation.window
        made.add_row("as a window", f"every k1 = {k1} steps, back k2 = {k2}", "the same lags")
    if truncation.chunk is not None:
        made.add_row("as a chunk", f"detach every {truncation.chunk} steps", "the same bias")
    return made


_STATUS = {
    "heuristic": "heuristic: loss unknown, random loss gradients",
    "longer-than-tested": "window too short to say",
    "chaotic": "gradients grow: cap of ln 2 / rate",
    "bidirectional": "both directions need the whole sequence",
    "nothing-traced": "nothing was traced",
}


def _lags(truncation: TruncationAdvice) -> str:
    if truncation.status == "longer-than-tested":
        return "longer than tested"
    if truncation.lags is None:
        return "-"
    return f"{'at most ' if truncation.status == 'chaotic' else ''}{truncation.lags}"


def _truncation(truncation: TruncationAdvice) -> Iterator[str]:
    if truncation.status == "nothing-traced":
        return
    if truncation.status == "bidirectional":
        yield (
            "Truncation: the reverse direction starts at the end of the sequence, so there is no "
            "state to carry from chunk to chunk; shorten the sequences themselves if you must."
        )
        return
    where = f"layer {truncation.layer}, {truncation.drive} input, decides"
    if truncation.status == "heuristic":
        yield (
            f"Truncation: lags 0 to {(truncation.lags or 1) - 1} hold all but "
            f"{100 * truncation.bias:g}% of the gradient's size; {where}. Losses of your task may "
            "weigh lags differently."
        )
    elif truncation.status == "chaotic":
        yield (
            f"Truncation: the gradient grows with every step back ({where}), so longer windows add "
            "noise, not memory (Mikhaeil, Monfared & Durstewitz 2022)."
        )
    else:
        yield (
            f"Truncation: more than {10 * truncation.bias:g}% of the largest gradient is left at "
            f"the last lag ({where}): within this window nothing can be cut. Propagate through "
            "whole sequences, or rerun with a longer --seq-len."
        )
