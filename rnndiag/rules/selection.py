"""Which rules judge a file, with which severities and thresholds."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from rnndiag.errors import InputCode, RnndiagError
from rnndiag.paths import matches
from rnndiag.rules.base import Rule, Severity
from rnndiag.rules.needs import Measurement
from rnndiag.rules.registry import RULES

Limits = Mapping[str, float]
"""Code to the threshold in force; NaN where a rule has none. Advice and readings that draw a rule's
line take it from here, so that they draw it where the rule does."""


@dataclass(frozen=True)
class RuleSetting:
    """What a configuration changes about one rule."""

    severity: Severity | None = None
    threshold: float | None = None

    def and_also(self, other: RuleSetting | None) -> RuleSetting:
        """The same with another on top of it: what that leaves open stays."""
        if other is None:
            return self
        return RuleSetting(
            self.severity if other.severity is None else other.severity,
            self.threshold if other.threshold is None else other.threshold,
        )

    def applied(self, rule: Rule) -> Rule:
        """The rule with these changes; a severity that is set holds in both of its cases."""
        if self.severity is not None:
            rule = replace(rule, severity=self.severity, milder=None)
        if self.threshold is not None:
            rule = replace(rule, limit=self.threshold, configured=True)
        return rule


@dataclass(frozen=True)
class Choice:
    """Rules by the beginnings of their codes: the longest that fits decides, ignoring wins ties.

    >>> [rule.code for rule in Choice(select=("RD30", "RD1"), ignore=("RD3",)).rules()][:5]
    ['RD101', 'RD102', 'RD103', 'RD104', 'RD105']
    """

    select: tuple[str, ...] | None = None
    """None: every rule."""

    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    settings: Mapping[str, RuleSetting] = field(default_factory=dict)
    """By a rule's code."""

    def rules(self) -> tuple[Rule, ...]:
        """The chosen rules, by code, as they are in force."""
        return tuple(
            self.settings.get(rule.code, RuleSetting()).applied(rule)
            for rule in RULES
            if self._chosen(rule.code)
        )

    def limits(self) -> Limits:
        """Every rule's threshold in force, also of those that are not chosen, by code."""
        nothing = RuleSetting()
        return {
            rule.code: self.settings.get(rule.code, nothing).applied(rule).limit for rule in RULES
        }

    def and_also(self, other: Choice) -> Choice:
        """The same choice with another's on top of it."""
        return Choice(
            self.select if other.select is None else other.select,
            self.extend_select + other.extend_select,
            self.ignore + other.ignore,
            {
                code: self.settings.get(code, RuleSetting()).and_also(other.settings.get(code))
                for code in {**self.settings, **other.settings}
            },
        )

    def _chosen(self, code: str) -> bool:
        wanted = _longest(code, (("",) if self.select is None else self.select))
        wanted = max(wanted, _longest(code, self.extend_select))
        return wanted > _longest(code, self.ignore)


def _longest(code: str, prefixes: Iterable[str]) -> int:
    """Length of the longest prefix that fits; -1 if none does."""
    return max((len(prefix) for prefix in prefixes if code.startswith(prefix)), default=-1)


@dataclass(frozen=True)
class Judging:
    """Which rules judge which file."""

    choice: Choice = field(default_factory=Choice)
    by_path: tuple[tuple[str, Choice], ...] = ()
    """Globs on a file's path or name, and what they choose beyond `choice`, all that match."""

    folder: str = "."
    """What the globs' paths are relative to."""

    def rules_for(self, path: str) -> tuple[Rule, ...]:
        """The rules in force for one file."""
        return self._choice_for(path).rules()

    def limits_for(self, path: str) -> Limits:
        """Every rule's threshold in force for one file, by code."""
        return self._choice_for(path).limits()

    def _choice_for(self, path: str) -> Choice:
        choice = self.choice
        for pattern, more in self.by_path:
            if matches(path, pattern, self.folder):
                choice = choice.and_also(more)
        return choice

    def with_severity(self, code: str, severity: Severity) -> Judging:
        """The same with a severity that is not a configuration's to change, for every path."""
        choice = Choice(settings={code: RuleSetting(severity)})
        return replace(self, by_path=(*self.by_path, ("*", choice)))

    def needs(self, measurement: Measurement) -> bool:
        """Whether any rule, for whatever path, looks at a measurement."""
        choices = (self.choice, *(self.choice.and_also(more) for _, more in self.by_path))
        rules = (rule for choice in choices for rule in choice.rules())
        return any(need.measurement == measurement for rule in rules for need in rule.needs)


DEFAULT_LIMITS: Limits = Choice().limits()
"""Where nobody has set any."""


def checked_codes(codes: Iterable[str], place: str) -> tuple[str, ...]:
    """Beginnings of codes, in capitals; raises RD007 for one that no rule's code begins with.

    >>> checked_codes(["rd3", "RD101"], "--select")
    ('RD3', 'RD101')
    """
    checked = tuple(code.strip().upper() for code in codes)
    for code in checked:
        if not code:
            what = f"{place}: a code is empty"
            raise RnndiagError(InputCode.USAGE, what, "write it as RD301, or RD3 for all of RD3xx")
        if not any(rule.code.startswith(code) for rule in RULES):
            raise _unknown(code, place)
    return checked


def checked_setting(code: str, setting: RuleSetting, place: str) -> RuleSetting:
    """What is set for one rule; raises RD007 for a code that is none or a threshold it lacks."""
    found = [rule for rule in RULES if rule.code == code]
    if not found:
        raise _unknown(code, place)
    threshold = setting.threshold
    if threshold is None:
        return setting
    if math.isnan(found[0].limit):
        what = f"{place}: {code} has no threshold that can be set"
        raise RnndiagError(InputCode.USAGE, what, f"leave it out; it is {found[0].bound}")
    if not 0.0 < threshold < math.inf:
        what = f"{place}: the threshold of {code} is {threshold:g}"
        raise RnndiagError(InputCode.USAGE, what, f"give a positive number; it is {found[0].bound}")
    return setting


def _unknown(code: str, place: str) -> RnndiagError:
    if code.startswith("RD0"):
        what = f"{place}: {code} is an input error's code, and those are always on"
        return RnndiagError(InputCode.USAGE, what, "leave it out")
    known = [rule.code for rule in RULES]
    nearest = ", ".join(difflib.get_close_matches(code, known, n=3, cutoff=0.0))
    return RnndiagError(InputCode.USAGE, f"{place}: no rule {code}", f"nearest are {nearest}")
