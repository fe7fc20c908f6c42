"""Count verdicts against what the gradients really do, and name what was wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from trials import truth
from trials.checking import LAG, UNDECLARED, WAYS, Answer, Said
from trials.tasks import TASKS
from trials.training import Trained

CLASSES = ("symbols", "forecaster", "other")
"""Of tasks. The first two can be run on their own output where nothing lies in front."""

SAID: tuple[Said, ...] = ("error", "unsure", "clean", "no verdict")

AT_LAG_TARGETS = {"symbols": 0.3, "forecaster": 0.6}
"""Decades: median error of log10 φ at lag 20 from the file alone, given its length or not."""


@dataclass(frozen=True)
class Judged:
    """A network with everything that `check` said of it."""

    trained: Trained
    answers: dict[str, Answer]
    """By way."""

    @property
    def kind(self) -> str:
        """One of CLASSES."""
        recipe = self.trained.recipe
        return "other" if recipe.front else TASKS[recipe.task](**dict(recipe.options)).kind

    @property
    def only_as_relu(self) -> bool:
        """Whether it explodes, and not if its weights are read as those of a tanh network."""
        as_tanh = self.trained.facts.get("growth_as_tanh")
        return bool(self.trained.exploding and as_tanh and truth.label(as_tanh) is False)


@dataclass(frozen=True)
class Target:
    """A promised figure beside the one that came out."""

    what: str
    value: float
    promised: float
    at_most: bool

    @property
    def met(self) -> bool:
        """nan, where there was nothing to count, is not."""
        return self.value <= self.promised if self.at_most else self.value >= self.promised


@dataclass(frozen=True)
class Confusion:
    """How often each thing was said of exploding and of healthy networks, one way."""

    way: str
    exploding: Counter[str]
    healthy: Counter[str]

    @classmethod
    def of(cls, way: str, judged: Iterable[Judged]) -> Confusion:
        """Networks too near the border are left out."""
        counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
        for each in judged:
            if each.trained.exploding is not None and way in each.answers:
                counts[each.trained.exploding][each.answers[way].said] += 1
        return cls(way, counts[True], counts[False])

    def targets(self) -> list[Target]:
        """What is promised of this way."""
        caught = _share(self.exploding, "error")
        told = caught + _share(self.exploding, "unsure")
        false = float(self.healthy["error"])
        none = float(self.healthy["no verdict"] + self.exploding["no verdict"])
        targets = [Target(f"{self.way}: no verdict at all", none, 0, at_most=True)]
        if self.way == "file alone":
            targets += [
                Target(f"{self.way}: false errors", false, 0, at_most=True),
                Target(f"{self.way}: exploding, error", caught, 0.75, at_most=False),
                Target(f"{self.way}: exploding, error or unsure", told, 0.9, at_most=False),
                Target(
                    f"{self.way}: healthy, unsure",
                    _share(self.healthy, "unsure"),
                    0.1,
                    at_most=True,
                ),
            ]
        elif self.way in ("input", "probe"):
            targets += [
                Target(f"{self.way}: false errors", false, 0, at_most=True),
                Target(f"{self.way}: exploding, error", caught, 1.0, at_most=False),
            ]
        return targets


def _share(counts: Counter[str], said: str) -> float:
    return counts[said] / counts.total() if counts.total() else float("nan")


def relu_target(judged: Sequence[Judged]) -> Target:
    """Of the networks that explode only as ReLU, those called unsure where nothing says relu."""
    said = Counter(each.answers[UNDECLARED].said for each in judged if each.only_as_relu)
    return Target(f"{UNDECLARED}: unsure", _share(said, "unsure"), 1.0, at_most=False)


@dataclass(frozen=True)
class Errors:
    """How far shown figures of one class lie from the truth, one way: median and 90 %."""

    way: str
    kind: str
    networks: int
    at_lag: tuple[float, float]
    """Decades of φ at lag 20."""

    half_life: tuple[float, float]
    """Factor by which it is too long or too short."""

    horizon: tuple[float, float]
    one_sided: int
    """Horizons that exist in truth and are not shown, or the other way round."""

    @classmethod
    def of(cls, way: str, kind: str, judged: Iterable[Judged]) -> Errors:
        """Over all networks of the class, however near the border."""
        chosen = [each for each in judged if each.kind == kind and way in each.answers]
        horizons = [_pair(each, way, "horizon", truth.horizon) for each in chosen]
        lives = [_pair(each, way, "half_life", truth.half_life) for each in chosen]
        lags = [_pair(each, way, "at_lag", lambda c: truth.counted(c)[LAG]) for each in chosen]
        return cls(
            *(way, kind, len(chosen)),
            _spread(abs(a - b) for a, b in _both(lags) if np.isfinite(a - b)),
            _spread(_factor(a, b) for a, b in _both(lives)),
            _spread(_factor(a, b) for a, b in _both(horizons)),
            sum((a is None) != (b is None) for a, b in horizons),
        )

    def targets(self) -> list[Target]:
        """Of φ at lag 20, where no data were given."""
        if self.way not in ("file alone", "length") or self.kind not in AT_LAG_TARGETS:
            return []
        what = f"{self.way}: median error of log10 φ at lag {LAG}, {self.kind}"
        return [Target(what, self.at_lag[0], AT_LAG_TARGETS[self.kind], at_most=True)]


Pair = tuple[float | None, float | None]


def _pair(
    each: Judged, way: str, measure: str, true: Callable[[truth.Floats], float | None]
) -> Pair:
    """What is shown, and what is true."""
    return each.answers[way].deciding(measure), true(each.trained.curve)


def _both(pairs: Iterable[Pair]) -> Iterable[tuple[float, float]]:
    return ((a, b) for a, b in pairs if a is not None and b is not None)


def _factor(shown: float, true: float) -> float:
    """At least 1; a horizon of 0 steps counts as one of half a step."""
    return float(np.exp(abs(np.log(max(shown, 0.5) / max(true, 0.5)))))


def _spread(values: Iterable[float]) -> tuple[float, float]:
    every = list(values)
    if not every:
        return float("nan"), float("nan")
    return float(np.median(every)), float(np.percentile(every, 90.0))


def wrong(judged: Sequence[Judged], way: str) -> list[Judged]:
    """Networks whose verdict is false: healthy with an error, exploding without."""
    return [
        each
        for each in judged
        if way in each.answers
        and each.trained.exploding is not None
        and (each.answers[way].said == "error") != each.trained.exploding
        and (each.trained.exploding or each.answers[way].said != "unsure")
        and (each.trained.exploding or each.answers[way].said != "clean")
    ]


def cause(each: Judged, way: str) -> str:
    """The first thing that, once given, makes the verdict right; as far as it can be told."""
    right = "error" if each.trained.exploding else "clean"
    told = {other: answer.said for other, answer in each.answers.items()}
    if way == "file alone" and told["length"] == right:
        return "the length was assumed"
    if way in ("file alone", "length") and told["input"] == right:
        return "the input was made up"
    if told["probe"] == right and way != "probe":
        return "the initial state, or the loss, was made up"
    return "not told by length, input or probe"


def all_targets(judged: Sequence[Judged]) -> list[Target]:
    """Every promise; those of ways and classes."""
    targets = [t for way in WAYS for t in Confusion.of(way, judged).targets()]
    if any(each.only_as_relu for each in judged):
        targets.append(relu_target(judged))
    for way in WAYS:
        for kind in CLASSES:
            targets += Errors.of(way, kind, judged).targets()
    return targets
