"""Which column, key or phrase of a training log holds the norm of the whole gradient."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

GRADIENT = {"grad", "grads", "gradient", "gradients"}
NORM = {"norm", "norms"}
ONE_WORD = {"gnorm", "gnorms", "gradnorm", "gradnorms", "gradientnorm", "l2norm"}
"""fairseq writes gnorm."""

WHOLE = {"total", "global", "overall", "all", "whole"}
EUCLIDEAN = {"l2", "2", "2.0"}
"""Lightning's key is grad_2.0_norm_total."""

PLACES = {"train", "training", "model"}

PLAIN = GRADIENT | NORM | ONE_WORD | WHOLE | EUCLIDEAN | PLACES
"""A name of these words only is the norm of the whole gradient."""

OTHERWISE = {
    *("inf", "linf", "l1", "1", "1.0", "log", "log10", "ratio", "std", "var", "variance"),
    *("count", "num", "time", "penalty", "threshold", "limit", "scale", "smallest"),
}
"""Words that make it another quantity, or another norm, than what is clipped."""

SETTING = {"max", "clip", "clipping"}
"""max_grad_norm and clip_grad_norm are what somebody chose, where they are always the same."""

TIMES_OF_CLIPPING = {"before", "after", "pre", "post"}

VARIANTS = TIMES_OF_CLIPPING | {
    *("clip", "clipped", "clipping", "unclipped", "raw"),
    *("ema", "avg", "average", "mean", "median", "max", "min", "smooth", "smoothed", "running"),
    *("scaled", "unscaled"),
}
"""Words that make it the same quantity once more, and not that of a part of the network."""

SAMPLED = ("__min", "__max", "__step")
"""Weights & Biases exports the range of what it thinned out beside each column."""

TIMES = {"", "step", "steps", "wall time", "wall_time", "time", "timestamp", "epoch", "iteration"}
"""What stands beside a column that is named only "value", as TensorBoard's export has it."""

MOST_NAMES = 10_000
"""Names that a log may have; further ones are passed over."""

MISSING = {"", "-", "none", "null", "n/a", "na", "<na>"}
"""How loggers write that a step has no norm."""

_WRAPPED = re.compile(r"(?:tensor|np\.float\d+)\(([^,()]*).*\)")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3}){2,}|[+-]?[1-9]\d{0,2}(?:,\d{3})+\.\d*")
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+),\d*(?:[eE][+-]?\d+)?")


@dataclass
class Series:
    """What stands under one name, in the order of the file; it is filled while reading."""

    name: str
    place: int = 0
    """Of a table's column, from 1; else 0."""

    values: array[float] = field(default_factory=lambda: array("d"))
    """Norms, inf and NaN among them."""

    wrong: tuple[str, str] | None = None
    """Where the first value stands that is not a norm, and the value."""

    marks: set[str] = field(default_factory=set)
    """Decimal marks met so far."""

    def add(self, where: str, value: object) -> None:
        """One more step; one that has no norm is passed over."""
        if value is None or (isinstance(value, str) and value.lower() in MISSING):
            return
        norm = self._number(value)
        if self.wrong is None and (norm is None or norm < 0.0):
            self.wrong = where, f"no norm: {str(value)[:40]!r}"
        elif norm is not None:
            self.values.append(norm)

    @property
    def is_constant(self) -> bool:
        """All values are the same."""
        return len(set(self.values[:1000])) < 2

    def _number(self, value: object) -> float | None:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        try:
            return float(self._pointed(value) if isinstance(value, str) else value)
        except (ValueError, OverflowError):
            return None

    def _pointed(self, text: str) -> str:
        """The number with a decimal point: 0,5 and 1.234,5 and 1,234.5 are written, too.

        Raises ValueError where a file has both marks, so that 1,234 is one number or another.
        """
        plain = text.strip()
        if ")" in plain and (wrapped := _WRAPPED.fullmatch(plain)):
            plain = wrapped[1]
        if "," not in plain:
            self.marks.update({"."} & set(plain))
        elif _THOUSANDS.fullmatch(plain):
            self.marks.add(".")
            return plain.replace(",", "")
        if _DECIMAL_COMMA.fullmatch(plain):
            self.marks.add(",")
            plain = plain.replace(".", "").replace(",", ".")
        if len(self.marks) > 1:
            raise ValueError
        return plain


def words(name: str) -> list[str]:
    """The words of a metric's own name: without a run, a folder or a module before it.

    >>> words("run 3 - train/grad_2.0_norm_total"), words("optim.totalGradNorm")
    (['grad', '2.0', 'norm', 'total'], ['total', 'grad', 'norm'])
    """
    metric = name.rpartition(" - ")[2].strip()
    parts = re.split(r"[/:]|(?<!\d)\.|\.(?!\d)", metric[:1000])
    own = _split(parts[-1])
    both = [*_split(parts[-2]), *own] if len(parts) > 1 else own
    # "grad_norm/total" and "grad_norm/before_clip", but not "grad_norm/rnn.weight_hh_l0".
    return both if not _is_norm(own) and set(both) <= PLAIN | VARIANTS else own


def _split(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return re.findall(r"[a-z]+\d*|\d+(?:\.\d+)?", spaced.lower())


def _is_norm(found: Iterable[str]) -> bool:
    these = set(found)
    if these & (ONE_WORD - {"l2norm"}):
        return True
    norm = bool(these & (NORM | {"l2norm"}))
    return norm and (bool(these & GRADIENT) or bool(these & {"total", "global"}))


def is_gradient_norm(name: str) -> bool:
    """Whether a name may be that of a norm of gradients."""
    found = words(name)
    return (
        _is_norm(found)
        and not OTHERWISE & set(found)
        and not name.strip().lower().endswith(SAMPLED)
    )


def is_plain(name: str) -> bool:
    """Whether a name leaves no doubt that it is the norm of the whole gradient."""
    return is_gradient_norm(name) and set(words(name)) <= PLAIN


def is_wanted(name: str) -> bool:
    """Whether a name may turn out to be the one that is chosen."""
    return is_gradient_norm(name) or words(name) in [["norm"], ["norms"], ["value"]]


def candidates(series: Iterable[Series], others: Iterable[str]) -> list[Series]:
    """The series that may be the gradient's norm; more than one is for the user to choose from.

    `others` are the names of everything that stands beside them.
    """
    filled = [one for one in series if one.values or one.wrong]
    named = [one for one in filled if is_gradient_norm(one.name) and not _is_setting(one)]
    if named:
        return _distinct(_whole(named))
    norms = [one for one in filled if words(one.name) in [["norm"], ["norms"]]]
    if norms:
        return _distinct(norms)
    if {name.strip().lower() for name in others} - TIMES <= {"value"}:
        return [one for one in filled if words(one.name) == ["value"]]
    return []


def _is_setting(one: Series) -> bool:
    found = set(words(one.name))
    return bool(SETTING & found) and not TIMES_OF_CLIPPING & found and one.is_constant


def _whole(named: list[Series]) -> list[Series]:
    """Of a total and its parts, the total."""
    total = [one for one in named if WHOLE & set(words(one.name)) and is_plain(one.name)]
    rest = [one for one in named if one not in total]
    parts = not any(VARIANTS & set(words(one.name)) or is_plain(one.name) for one in rest)
    return total if len(total) == 1 and parts else named


def _distinct(named: list[Series]) -> list[Series]:
    """Without what is written twice, as under "grad_norm" and "train/grad_norm"."""
    kept: list[Series] = []
    for one in named:
        twin = any(one.wrong is None and _same(one, other) for other in kept)
        if not twin:
            kept.append(one)
    return kept


def _same(one: Series, other: Series) -> bool:
    return other.wrong is None and one.values.tobytes() == other.values.tobytes()


def named_so(column: str, names: Iterable[str]) -> list[str]:
    """The names that a COLUMN means: exactly, else without case, else by its last part."""
    known = list(dict.fromkeys(names))
    for form in _FORMS:
        found = [name for name in known if form(name) == form(column) and form(column)]
        if found:
            return found
    return []


def _same_letters(name: str) -> str:
    return name.strip().lower()


def _same_words(name: str) -> str:
    return " ".join(_split(name))


def _last_part(name: str) -> str:
    return " ".join(_split(re.split(r"/| - ", name)[-1]))


_FORMS = (str, _same_letters, _same_words, _last_part)
"""Ways of comparing a COLUMN with a name, the strictest first."""


@dataclass
class Log:
    """Every series of a log that may be wanted, and the names of all there are."""

    column: str | None
    """The one that was asked for by name or place."""

    names: dict[str, None] = field(default_factory=dict)
    all_series: list[Series] = field(default_factory=list)
    refused: tuple[str, str] | None = None
    """The first line that does not have this format, and what is wrong with it."""

    _known: dict[tuple[str, int], Series | None] = field(default_factory=dict)

    def series(self, name: str, place: int = 0) -> Series | None:
        """That of a name, from its first use on; None where it cannot be the one wanted."""
        key = name, place
        if key not in self._known:
            if len(self._known) >= MOST_NAMES:
                return None
            self.names[name] = None
            self._known[key] = Series(name, place) if self._may_be(name, place) else None
            if (made := self._known[key]) is not None:
                self.all_series.append(made)
        return self._known[key]

    def drop(self, series: Series) -> None:
        """Take one out that turned out not to be one."""
        self.all_series.remove(series)

    def refuse(self, where: str, what: str) -> None:
        """Remember the first line that does not fit."""
        self.refused = self.refused or (where, what)

    def _may_be(self, name: str, place: int) -> bool:
        if self.column is None:
            return not name or is_wanted(name)
        return bool(named_so(self.column, [name])) or self.column == str(place)

    @property
    def is_sound(self) -> bool:
        """Whether something is found, and every value of it is a norm."""
        found = self.chosen()
        return bool(found) and not self.refused and not any(one.wrong for one in found)

    def chosen(self) -> list[Series]:
        """The series that may be meant: one, or several to choose from, or none."""
        if self.column is None:
            if list(self.names) == [""]:
                return self.all_series[:1]
            return candidates(self.all_series, self.names)
        meant = named_so(self.column, self.names)
        named = [one for one in self.all_series if one.name in meant]
        return named or self.all_series[:1]
