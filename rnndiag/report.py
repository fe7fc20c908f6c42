"""Everything that can be shown of one call: files, findings, advice, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

from rnndiag.analysis import FileResult, Needed, Request, analyse
from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError, out_of_memory
from rnndiag.rules import DEFAULT_LIMITS, Finding, Judging, Limits, NotApplicable, judge
from rnndiag.rules.base import SEVERITIES, Severity

if TYPE_CHECKING:
    from rnndiag.advice import Advice, AdviceRequest
    from rnndiag.baseline import Comparison
    from rnndiag.comparison import LayerComparison

FailOn = Literal["error", "warning", "never"]
Command = Literal["inspect", "spectrum", "bptt-trace", "suggest", "check", "diff", "report"]
Setting = str | int | float | bool | None


class ExitCode(IntEnum):
    """What the process returns."""

    CLEAN = 0
    FINDINGS = 1
    NO_VERDICT = 2


@dataclass(frozen=True)
class FileReport:
    """One file: its results, or why there are none."""

    path: str
    result: FileResult | None = None
    findings: tuple[Finding, ...] = ()
    advice: Advice | None = None
    error: RnndiagError | None = None
    judged: tuple[str, ...] = ()
    """Codes of the rules that looked at it."""

    not_applicable: tuple[NotApplicable, ...] = ()
    """Rules that were asked for and could not."""

    limits: Limits = field(default_factory=lambda: DEFAULT_LIMITS)
    """The thresholds in force for it, also of rules that nobody asked for."""

    @property
    def was_asked_about(self) -> bool:
        """Whether any rule is in force for it."""
        return bool(self.judged or self.not_applicable)


@dataclass(frozen=True)
class SkippedFile:
    """A file met in a folder that is no recurrent checkpoint, or one that no rule may judge."""

    name: str
    """Its path, as it is shown."""

    reason: str
    code: InputCode = InputCode.NOT_A_CHECKPOINT

    @property
    def kind(self) -> str:
        """The reason without what differs from file to file."""
        without = self.code is InputCode.NO_RECURRENT_WEIGHTS
        return "no recurrent weights" if without else self.reason


@dataclass(frozen=True)
class Report:
    """One call of one command."""

    command: Command
    settings: dict[str, Setting]
    files: tuple[FileReport, ...]
    skipped_files: tuple[SkippedFile, ...] = ()
    fail_on: FailOn = "never"
    comparison: tuple[LayerComparison, ...] = ()
    """Of `diff`: every layer's measures in all files."""

    exit_zero: bool = False
    """Whether findings leave the exit code 0; what gave no verdict does not."""

    allow_empty: bool = False
    """Whether a call that met no checkpoint at all is clean."""

    allow_unmeasured: bool = False
    """Whether one that met only recurrences that cannot be measured is."""

    baseline: Comparison | None = None
    """Of a gate that was given one: its findings then say how they stand to it."""

    exit_code: ExitCode = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "exit_code", self._judge())

    @property
    def status(self) -> Literal["clean", "findings", "no-verdict"]:
        """findings: at or above --fail-on, or at least warnings where that is "never"."""
        if self.exit_code is ExitCode.NO_VERDICT:
            return "no-verdict"
        limit = "warning" if self.fail_on == "never" else self.fail_on
        return "findings" if self._reaches(limit) else "clean"

    @property
    def let_pass(self) -> str | None:
        """Why findings leave the exit code 0; None where they do not, or there are none."""
        if self.status != "findings" or self.exit_code is not ExitCode.CLEAN:
            return None
        return f"exit code 0 by --{'exit-zero' if self.exit_zero else 'fail-on never'}"

    @property
    def findings(self) -> list[Finding]:
        """All findings of all files."""
        return [finding for file in self.files for finding in file.findings]

    @property
    def measured(self) -> bool:
        """Whether any recurrent layer of any file was looked at, or need not be."""
        # A file without layers is among these only for its recurrences that were not measured.
        return any(
            file.result is None or file.result.layers or self.allow_unmeasured
            for file in self.files
        )

    @property
    def judged(self) -> bool:
        """Whether any rule that was asked for could look at any file."""
        return any(file.result is None or file.judged for file in self.files)

    @property
    def failure(self) -> RnndiagError | None:
        """Why the call as a whole gives no verdict, where no single file's error says so."""
        if self.allow_empty and not self.files:
            return None
        if not self.files and any(s.code is InputCode.USAGE for s in self.skipped_files):
            what = "nothing was judged: every rule is switched off for every checkpoint"
            return RnndiagError(InputCode.USAGE, what, "see per-path in the configuration")
        if not self.measured:
            met = len(self.files) + len(self.skipped_files)
            what = f"nothing was checked: no recurrent layer measured in {met} files"
            return RnndiagError(InputCode.NO_RECURRENT_WEIGHTS, what, "name a checkpoint")
        return None if self.judged or self.fail_on == "never" else self._unjudged()

    def _unjudged(self) -> RnndiagError:
        """What a gate says whose rules could all look at nothing."""
        missing = {none.code: none.reason for file in self.files for none in file.not_applicable}
        reasons = ", ".join(dict.fromkeys(missing.values()))
        what = f"nothing was judged: {', '.join(missing)} cannot be ({reasons})"
        return RnndiagError(InputCode.USAGE, what, "select other rules, or give what they need")

    def fails(self, finding: Finding) -> bool:
        """Whether it is one that --fail-on names, and no baseline accepts."""
        return self.fail_on != "never" and self.counts(finding, self.fail_on)

    def _judge(self) -> ExitCode:
        """2 beats 1: a file without a verdict is never hidden by another's findings."""
        if self.failure is not None or any(file.error is not None for file in self.files):
            return ExitCode.NO_VERDICT
        failing = not self.exit_zero and any(map(self.fails, self.findings))
        return ExitCode.FINDINGS if failing else ExitCode.CLEAN

    def _reaches(self, limit: Severity) -> bool:
        return any(self.counts(finding, limit) for finding in self.findings)

    @staticmethod
    def counts(finding: Finding, limit: Severity) -> bool:
        """Whether it is of this severity or worse, and no baseline accepts it."""
        return not finding.accepted and _rank(finding.severity) >= _rank(limit)


def _rank(severity: Severity) -> int:
    return SEVERITIES.index(severity)


def report_file(
    path: str,
    request: Request,
    advice: AdviceRequest | None = None,
    shown_as: str | None = None,
    named: bool = True,
    judging: Judging | None = None,
    allow_unmeasured: bool = False,
) -> FileReport:
    """Read, measure and judge one file; an input error becomes part of the report.

    Where nothing that looks recurrent could be measured, a named file gets an error, and one that
    was met in a folder gets it where a recurrence is certain; else that is a finding, as it is with
    `allow_unmeasured`.
    """
    shown = path if shown_as is None else shown_as
    request = request.for_path(path)
    if advice is not None and request.trace is not None:
        # Truncation advice rests on it; nothing else needs it.
        request = replace(request, trace=replace(request.trace, compare_lags=True))
    try:
        checkpoint = read(path, request.verify)
        result = analyse(checkpoint, request, _needed(named, allow_unmeasured))
    except RnndiagError as error:
        return FileReport(shown, error=error)
    except MemoryError as error:
        return FileReport(shown, error=out_of_memory(error))
    judging = judging or Judging()
    judgement, limits = judge(result, judging.rules_for(path)), judging.limits_for(path)
    return FileReport(
        shown,
        result,
        judgement.findings,
        _advised(result, request, advice, limits),
        judged=judgement.judged,
        not_applicable=judgement.not_applicable,
        limits=limits,
    )


def _needed(named: bool, allow_unmeasured: bool) -> Needed:
    if allow_unmeasured:
        return "recurrence"
    return "layers" if named else "layers if certain"


def _advised(
    result: FileResult, request: Request, advice: AdviceRequest | None, limits: Limits
) -> Advice | None:
    """Advice on what was measured; a probe's gradient norms are known beside the file, too."""
    if advice is None:
        return None
    from rnndiag.advice import advise

    probe = request.trace.probe if request.trace is not None else None
    known = advice if probe is None else replace(advice, probe_norms=probe.gradient_norms)
    return advise(result, known, limits)
