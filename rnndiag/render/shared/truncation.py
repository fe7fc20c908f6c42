"""The truncation part of `suggest`: rows of its table, and the sentences below."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.advice import TruncationAdvice
from rnndiag.advice.present import PresentTruncation
from rnndiag.advice.truncation import TruncationEvidence
from rnndiag.readings.words import counted, listed

_STATUS = {
    "measured": "measured on your inputs and loss",
    "longer-than-tested": "window too short to say",
    "chaotic": "gradients grow: cap of ln 2 / rate",
    "bidirectional": "both directions need the whole sequence",
    "zero-gradient": "no parameter has a gradient",
    "nothing-traced": "nothing was traced",
}


_DRAWN = {"loss": "loss gradients", "inputs": "inputs"}
_OPTIONS = {"loss": "--cotangent FILE", "inputs": "--input FILE"}


def truncation_rows(truncation: TruncationAdvice) -> Iterator[tuple[str, str, str]]:
    """What, value, basis."""
    yield "lags to keep", _lags(truncation), _basis(truncation)
    if truncation.window is not None:
        k1, k2 = truncation.window
        yield "as a window", f"every k1 = {k1} steps, back k2 = {k2}", "at least those lags"
    if truncation.chunk is not None:
        basis = "the cap itself" if truncation.status == "chaotic" else "the same bias"
        yield "as a chunk", f"detach every {counted(truncation.chunk, 'step')}", basis
    if truncation.present is not None:
        yield from _present_rows(truncation.present)


def _basis(truncation: TruncationAdvice) -> str:
    if truncation.status == "heuristic":
        return f"heuristic: {' and '.join(truncation.unknown)} unknown"
    return _STATUS[truncation.status]


def _lags(truncation: TruncationAdvice) -> str:
    if truncation.status == "longer-than-tested":
        return "longer than tested"
    if truncation.lags is None:
        return "-"
    return f"{'at most ' if truncation.status == 'chaotic' else ''}{truncation.lags}"


def _present_rows(present: PresentTruncation) -> Iterator[tuple[str, str, str]]:
    source = "--tbptt" if present.source == "given" else present.source
    if present.sliding_bias is None or present.chunk_bias is None:
        yield "now", f"{present.steps} steps ({source})", "not judged: the window is no longer"
        return
    least = "at least " if present.lower_bound else ""
    for what, bias, cosine in (
        (f"{present.steps} lags", present.sliding_bias, present.sliding_cosine),
        (f"detach every {present.steps}", present.chunk_bias, present.chunk_cosine),
    ):
        yield "now", f"{what} ({source})", f"bias {least}{_percent(bias)}, cosine {cosine:.3f}"


def read_truncation(truncation: TruncationAdvice) -> Iterator[str]:
    """Sentences on what the length rests on."""
    if truncation.status == "nothing-traced":
        return
    if truncation.status == "bidirectional":
        yield (
            "Truncation: the reverse direction starts at the end of the sequence, so there is no "
            "state to carry from chunk to chunk; shorten the sequences themselves if you must."
        )
        return
    if truncation.status == "zero-gradient":
        yield (
            "Truncation: the gradient of every recurrent parameter is zero at every lag, so no "
            "length can be told: no unit that the loss sees responds on these inputs."
        )
        return
    where = f"{truncation.layer}, {truncation.drive} input, decides"
    if truncation.status == "longer-than-tested":
        yield (
            f"Truncation: at the last lag, more than {10 * truncation.bias:g}% of the largest "
            f"gradient is left, of a state or of what a lag adds to the parameters' ({where}): "
            "within this window nothing can be cut. Propagate through whole sequences, or rerun "
            "with a longer --seq-len."
        )
    elif truncation.status == "chaotic":
        yield (
            f"Truncation: the gradient grows with every step back ({where}), so longer windows add "
            "noise, not memory (Mikhaeil, Monfared & Durstewitz 2022)."
        )
    elif truncation.evidence is not None:
        yield from _measured(truncation, truncation.evidence, where)
    if truncation.present is not None:
        yield from _read_present(truncation.present)
    if truncation.both_ways:
        yield (
            f"Truncation: nothing of this is for {listed(truncation.both_ways)}: what reads both "
            "ways starts at both ends, so give it whole sequences."
        )


def _measured(
    truncation: TruncationAdvice, evidence: TruncationEvidence, where: str
) -> Iterator[str]:
    yield (
        f"Truncation: with lags 0 to {(truncation.lags or 1) - 1} the gradient of all recurrent "
        f"parameters is off by {_percent(evidence.bias)} of its size (cosine "
        f"{evidence.cosine:.3f}); {where}.{_halves(evidence)}{_followed(evidence)}"
    )
    if truncation.unknown:
        drawn = " and ".join(_DRAWN[what] for what in truncation.unknown)
        options = " and ".join(_OPTIONS[what] for what in truncation.unknown)
        yield (
            f"Truncation: {drawn} were drawn at random, as they are not in the file; your task may "
            f"weigh lags differently. To measure it, give {options}."
        )


def _halves(evidence: TruncationEvidence) -> str:
    """How far the two halves of the samples are apart."""
    if evidence.half_lags is None or evidence.half_bias is None or evidence.half_cosine is None:
        return " One sample only: how sure that is cannot be said."
    lags = _range(*map(str, evidence.half_lags))
    bias = _range(*map(_percent, evidence.half_bias))
    cosine = _range(*(f"{value:.3f}" for value in evidence.half_cosine))
    return f" Either half of the samples alone: {lags} lags; off by {bias}, cosine {cosine}."


def _followed(evidence: TruncationEvidence) -> str:
    """That it is an estimate, where too many steps have a loss."""
    followed, present = evidence.loss_steps or (0, 0)
    if followed == present:
        return ""
    return f" Estimated from {followed} of the {present} steps that have a loss, spread evenly."


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _read_present(present: PresentTruncation) -> Iterator[str]:
    if present.sliding_bias is None:
        yield (
            f"Truncation now: gradients are not gone after {counted(present.steps, 'step')}, and "
            "the window was no longer: rerun with a longer --seq-len to judge that."
        )
        return
    yield (
        f"Truncation now: {present.steps} steps keep as many lags only where every loss is "
        "followed back by itself; detaching that often leaves most losses fewer."
    )
    if present.lower_bound:
        yield "Truncation now: gradients from before the window would add to that bias."


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
