"""How long the traced sequences are, who says so, and what to do where nobody does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rnndiag.analysis import FileResult
from rnndiag.readings.words import counted, listed
from rnndiag.recognise.lengths import SequenceLength

SHORT = 20
"""Steps below which no growth rate has a narrow interval: it comes from the means of ten blocks,
and of two steps each they scatter as single steps do."""

HOW_TO_GIVE = "give yours with --seq-len"

NAMED_REMARKS = 3
"""Of many files together; JSON has all of them."""


def length_phrase(result: FileResult) -> str:
    """The steps and who says so: "200 steps (assumed)", "50 steps (config.yml: seq_length)".

    Plain text that is not escaped yet; empty where nothing was traced.
    """
    return "" if result.length is None else said(result.length)


def said(length: SequenceLength) -> str:
    """The same of a length."""
    if length.basis == "file":
        return f"{counted(length.steps, 'step')} ({length.source})"
    by = f" by {length.source}" if length.source else ""
    return f"{counted(length.steps, 'step')} ({length.basis}{by})"


def read_length(result: FileResult) -> Iterator[str]:
    """Sentences on the length, the first thing to do first; none where it is given and long."""
    length = result.length
    if length is None:
        return
    if length.basis == "assumed":
        yield f"How long the sequences are is assumed, as nothing here says it: {HOW_TO_GIVE}."
    if length.steps < SHORT:
        yield (
            f"{counted(length.steps, 'step')} are too few for a growth rate: what is said here is "
            "what happens within them."
        )
    yield from (f"{remark}." for remark in length.remarks)


def advise_lengths(lengths: Mapping[str, SequenceLength]) -> list[str]:
    """What to do about assumed lengths and to know of short ones, once for all files of a call.

    lengths: of the files that were traced, by the path that is shown.
    """
    alone = len(lengths) == 1
    return [*_assumed(lengths, alone), *_short(lengths, alone)]


def _assumed(lengths: Mapping[str, SequenceLength], alone: bool) -> list[str]:
    """How to give them, and why nothing that was met gave one."""
    assumed = {path: length for path, length in lengths.items() if length.basis == "assumed"}
    if not assumed:
        return []
    first = f"length: {counted(next(iter(assumed.values())).steps, 'step')} (assumed)"
    if alone:
        first += f"; {HOW_TO_GIVE}"
    else:
        first += (
            f" for {len(assumed)} of {len(lengths)} files; {HOW_TO_GIVE}, or seq-len by path in "
            "the configuration"
        )
    paths: dict[str, list[str]] = {}
    for path, length in assumed.items():
        for remark in length.remarks:
            paths.setdefault(remark, []).append(path)
    remarks = [
        f"length: {remark}" + ("" if alone else f" ({listed(of)})") for remark, of in paths.items()
    ]
    return [first, *remarks[:NAMED_REMARKS]]


def _short(lengths: Mapping[str, SequenceLength], alone: bool) -> list[str]:
    """Which files say a length that nobody who calls may have thought of."""
    short = {
        path: one for path, one in lengths.items() if one.basis == "file" and one.steps < SHORT
    }
    if not short:
        return []
    what = "are too few for a growth rate; what is said is what happens within them"
    if alone:
        (length,) = short.values()
        return [f"length: {counted(length.steps, 'step')} ({length.source}) {what}"]
    return [f"length: fewer than {SHORT} steps, as {listed(list(short))} say, {what}"]
