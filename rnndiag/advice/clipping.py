"""A clip value: from measured norms, else from the optimizer's state, else a convention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rnndiag.advice.norm_shares import NormShares
from rnndiag.advice.present_clip import PresentClip, is_plain
from rnndiag.measure.second_moment import TITLES
from rnndiag.measure.training_state import TrainingState

CONVENTION = 1.0
"""max_norm that most training scripts start from (the default of Hugging Face's Trainer, too)."""

SPREAD = (0.5, 10.0)
"""Pascanu, Mikolov & Bengio 2013: half to ten times the average norm gives similar training."""

PERCENTILE = 95
"""Of measured norms: clips the rare spikes and leaves ordinary steps alone."""

FEWEST = 20
"""Norms below which one of them is more than the 5 % that a 95th percentile leaves out."""

BROKEN = 20
"""Steps in a row without a finite norm at a run's end: GradScaler halves its scale at each, and so
gets from 65536, its first, to a sixteenth. What then still overflows is not the scale's doing."""

PILE = (1e-3, 0.05)
"""So near to the largest norm lies more than this share only if something cut them off there."""

LOG_NORMS = (
    "log the norms that clip_grad_norm_ returns over 100 steps and rerun with --norms FILE, one "
    "norm a line"
)
"""What to supply where the file cannot tell."""

Basis = Literal["logged-norms", "probe", "optimizer-state", "already-clipped", "convention"]


@dataclass(frozen=True)
class ClippingAdvice:
    """A value for `torch.nn.utils.clip_grad_norm_` and what it rests on."""

    max_norm: float
    """Norm over all parameters together, in the units of the loss that was trained."""

    basis: Basis

    reasonable_range: tuple[float, float] | None
    """Where to search around an average; None for a percentile and for the convention."""

    reason: str
    """One sentence: where the value comes from."""

    caveats: tuple[str, ...] = ()

    fires: float | None = None
    """Share of the measured steps whose norm is above max_norm; None of fewer than two."""

    present: PresentClip | None = None
    """A clip setting that the file itself holds, and what it does."""

    shares: NormShares | None = None
    """What the norm consists of, by the optimizer's state."""

    norms: tuple[float, ...] = ()
    """The finite ones of the measured norms, in the order of the steps; empty without any."""

    non_finite: int = 0
    """Measured norms that are inf or NaN, which were left out."""


@dataclass(frozen=True)
class ClipEvidence:
    """Everything that may tell how large gradients are, most trusted first."""

    logged: Sequence[float] = ()
    """Norms before clipping that training logged; inf or NaN where a step had no finite one."""

    probe: Sequence[float] = ()
    """Norms before clipping, captured at this checkpoint on the user's own data and loss."""

    state: TrainingState | None = None

    logged_as: str = ""
    """What the log calls its norms, where that leaves it open what they are."""

    @property
    def measured(self) -> tuple[Sequence[float], str]:
        """Single steps' finite norms and what to call them; none, where no source has any."""
        norms, word = self._recorded
        return [norm for norm in norms if np.isfinite(norm)], word

    @property
    def non_finite(self) -> int:
        """How many norms of the same source are inf or NaN."""
        return len(self._recorded[0]) - len(self.measured[0])

    @property
    def caveats(self) -> Iterator[str]:
        """What to bear in mind about the record itself."""
        norms, word = self._recorded
        if self.logged and self.logged_as:
            yield f"taken from {self.logged_as!r}: check that it is the norm of the whole gradient"
        if self.non_finite:
            yield _left_out(norms, word, self.non_finite)

    @property
    def _recorded(self) -> tuple[Sequence[float], str]:
        return (self.logged, "logged") if len(self.logged) else (self.probe, "captured")


def advise_clipping(
    evidence: ClipEvidence, present: PresentClip | None = None, shares: NormShares | None = None
) -> ClippingAdvice:
    """The value of the most trusted source: logged norms, a probe, the optimizer, the convention.

    Of at least 20 norms the 95th percentile, of fewer their root mean square; R of the optimizer's
    state, which is the root mean square norm of the last gradients; at a round number that is the
    clip value that was in force.
    """
    norms, word = evidence.measured
    state = evidence.state
    if len(norms) and max(norms) > 0.0:
        advice = _from_norms(np.asarray(norms, np.float64), word)
    elif state is None or not state.gradient_rms_norm:
        advice = ClippingAdvice(CONVENTION, "convention", None, _convention(norms, word, state))
    elif state.clipped_at is not None:
        advice = _already_clipped(state, state.gradient_rms_norm, state.clipped_at)
    else:
        advice = _from_state(state, state.gradient_rms_norm, present)
    if len(norms) and advice.basis in {"already-clipped", "optimizer-state"}:
        unused = f"every {word} norm is zero, so they were left out"
        advice = replace(advice, caveats=(unused, *advice.caveats))
    return replace(
        advice,
        caveats=(*evidence.caveats, *advice.caveats),
        present=present,
        shares=shares,
        norms=tuple(norms),
        non_finite=evidence.non_finite,
    )


def _left_out(norms: Sequence[float], word: str, count: int) -> str:
    """A loss scaler skips such steps; at the end of a run they are its ruin."""
    was = "is inf or NaN and was" if count == 1 else "are inf or NaN and were"
    said = f"{count:,} of {len(norms):,} {word} norms {was} left out"
    last = next((at for at, norm in enumerate(reversed(norms)) if np.isfinite(norm)), len(norms))
    if last >= BROKEN:
        return (
            f"{said}, the last {last:,} in a row: training broke there, which no clip value mends"
        )
    return f"{said}: a loss scaler skips such steps; without one they put NaN into the weights"


UNITS = "it holds for this loss and its reduction, this batch size and sequence length"
"""A sum over the batch makes every norm that many times larger."""


def _from_norms(norms: np.ndarray, word: str) -> ClippingAdvice:
    """A percentile of many norms, the root mean square of few."""
    few = len(norms) < FEWEST
    # Relative to the largest: the square of 1e-200 is 0, and the sum of two of 1e308 is infinite.
    largest = norms.max()
    relative = norms / largest
    mean = float(np.sqrt(np.mean(relative**2)) * largest)
    median = float(np.median(relative) * largest)
    value = mean if few else float(np.percentile(relative, PERCENTILE) * largest)
    max_norm = float(f"{value:.3g}")
    fires = float(np.mean(norms > max_norm))
    what = "root mean square" if few else f"{PERCENTILE}th percentile"
    return ClippingAdvice(
        max_norm=max_norm,
        basis="logged-norms" if word == "logged" else "probe",
        reasonable_range=(SPREAD[0] * mean, SPREAD[1] * mean) if few else None,
        reason=f"the one {word} norm, {mean:.4g}"
        if len(norms) == 1
        else (
            f"{what} of {len(norms):,} {word} norms (median {median:.4g}, "
            f"largest {largest:.4g}); it would have clipped {fires:.1%} of those steps"
        ),
        caveats=tuple(_norm_caveats(norms)),
        fires=fires if len(norms) > 1 else None,
    )


def _norm_caveats(norms: np.ndarray) -> Iterator[str]:
    """What to bear in mind about measured norms."""
    yield UNITS
    few = len(norms) < FEWEST
    if few:
        few_are = "one norm is" if len(norms) == 1 else f"{len(norms)} norms are"
        yield f"{few_are} too few to show spikes; a percentile needs {FEWEST}"
    near = float(np.mean(norms >= (1.0 - PILE[0]) * norms.max()))
    if not few and near > PILE[1]:
        yield (
            f"{near:.0%} of the norms lie at the largest, {norms.max():.4g}: they were probably "
            "logged after clipping; log what clip_grad_norm_ returns, which is the norm before"
        )


def _already_clipped(state: TrainingState, norm: float, clipped_at: float) -> ClippingAdvice:
    return ClippingAdvice(
        max_norm=clipped_at,
        basis="already-clipped",
        reasonable_range=None,
        reason=(
            f"the {TITLES[state.optimizer]} state's gradient norm is {norm:.4g}, a clip value: the "
            "gradients were probably clipped there at nearly every step, so how large they were "
            f"before is gone; {LOG_NORMS}"
        ),
    )


def _from_state(state: TrainingState, norm: float, present: PresentClip | None) -> ClippingAdvice:
    value = float(f"{norm:.2g}")
    return ClippingAdvice(
        max_norm=value,
        basis="optimizer-state",
        reasonable_range=(SPREAD[0] * norm, SPREAD[1] * norm),
        reason=(
            f"the {TITLES[state.optimizer]} state holds the gradients' root mean square norm over "
            f"{_window(state)}: {norm:.4g}, as the optimizer saw them, after any clipping"
        ),
        caveats=(*state.caveats, _firing(state, norm, value, present), UNITS),
    )


def _firing(state: TrainingState, norm: float, value: float, present: PresentClip | None) -> str:
    """What a mean square says of the share of steps above a value: Markov's inequality."""
    untold = "a mean tells neither how often it fires nor spikes"
    if not is_plain(state):  # the mean is of something else than gradients
        return untold
    if present is not None and present.algorithm == "norm":
        return (
            f"{untold}; what was clipped at {present.value:g} was larger before, so the true mean "
            "is no smaller"
        )
    two, five = (f"{(norm / (k * value)) ** 2:.0%}" for k in (2, 5))
    return f"{untold}; at most {two} of steps were above {2 * value:g}, {five} above {5 * value:g}"


def _window(state: TrainingState) -> str:
    """About how many steps the optimizer's average reaches back."""
    if state.effective_steps is None or state.effective_steps < 2.0:
        return "its last step"
    return f"about its last {float(f'{state.effective_steps:.2g}'):,.0f} steps"


def _convention(norms: Sequence[float], word: str, state: TrainingState | None) -> str:
    if len(norms):
        missing = f"every {word} norm is zero"
    elif state is None:
        missing = "the file holds no optimizer's running averages"
    elif state.gradient_rms_norm == 0.0:
        missing = f"every gradient that the {TITLES[state.optimizer]} state has seen was zero"
    else:
        missing = f"the {TITLES[state.optimizer]} state gives no gradient norm ({state.absent})"
    return f"convention, not measured: {missing}; {LOG_NORMS}"
