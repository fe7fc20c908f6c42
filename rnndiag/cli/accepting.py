"""The options of a baseline: findings that are accepted already, or from now on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnndiag.cli.output import notice, write_file
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.escape import printable

if TYPE_CHECKING:
    from rnndiag.baseline import Baseline, Comparison
    from rnndiag.report import FileReport, Report, Setting


@dataclass(frozen=True)
class Accepting:
    """Findings that were accepted before."""

    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            envvar="RNNDIAG_BASELINE",
            show_default=False,
            help="Fail only for findings that are not in it, or worse. Paths in it are relative to "
            "its folder.",
        ),
    ] = None
    baseline_tolerance: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="SHARE",
            envvar="RNNDIAG_BASELINE_TOLERANCE",
            help="How much worse an accepted finding may get, as a share of the accepted value.",
        ),
    ] = 0.1
    write_baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Accept all that is found now, and write it there; --baseline is not read.",
        ),
    ] = None

    def known(self) -> Baseline | None:
        """What is accepted, before anything is measured; None where that is still to be found.

        Raises RnndiagError: RD007 for a baseline that is none, RD008 where one would be written
        over something else.
        """
        if not math.isfinite(self.baseline_tolerance):
            what = f"--baseline-tolerance {self.baseline_tolerance} is no share"
            raise RnndiagError(InputCode.USAGE, what, "give one such as 0.1")
        if self.write_baseline is not None:
            _spare(self.write_baseline)
            return None
        if self.baseline is None:
            return None
        from rnndiag.baseline import read_baseline

        return read_baseline(self.baseline)

    def applied(
        self, files: tuple[FileReport, ...], known: Baseline | None, some_layers: bool
    ) -> tuple[tuple[FileReport, ...], Comparison | None]:
        """The same files, each finding with how it stands, and what the baseline says of them.

        Beside a file without a verdict no baseline is written, and nothing accepted.
        """
        from rnndiag.accepting import accept

        if self.write_baseline is not None and any(file.error is not None for file in files):
            return files, None

        baseline = self._found(files) or known
        if baseline is None:
            return files, None
        return accept(files, baseline, self.baseline_tolerance, some_layers)

    def write(self, report: Report) -> None:
        """Write what is accepted from now on, if there is a verdict; raises RD008."""
        baseline = self._found(report.files)
        if baseline is None:
            return
        if report.status == "no-verdict":
            notice("rnndiag: no baseline was written: what gives no verdict cannot be accepted")
            return
        from rnndiag.baseline import baseline_text

        said = _accepted_errors(report)
        if said:
            notice(f"rnndiag: {printable(baseline.path)} {printable(said)}")
        write_file(Path(baseline.path), baseline_text(baseline).encode())

    def _found(self, files: Sequence[FileReport]) -> Baseline | None:
        """What is to be written."""
        if self.write_baseline is None:
            return None
        from rnndiag.accepting import baseline_of

        return baseline_of(files, self.write_baseline)

    def settings(self) -> dict[str, Setting]:
        """As they stand in the report."""
        return {"baseline": self.baseline, "baseline_tolerance": self.baseline_tolerance}


def _accepted_errors(report: Report) -> str:
    """What a gate lets pass from now on that is broken, not bad by degrees; "" without any: NaN."""
    from rnndiag.readings.words import counted, listed

    errors = [
        f"{file.path}: {finding.code} {finding.message}"
        for file in report.files
        for finding in file.findings
        if finding.severity == "error" and finding.degree is None
    ]
    if not errors:
        return ""
    return f"accepts {counted(len(errors), 'error')} from now on: {listed(errors)}"


def _spare(path: str) -> None:
    """Raise RD008 for a file that is something else: a checkpoint, where FILE was forgotten."""
    from rnndiag.containers.folders import is_empty, is_file

    if not is_file(path) or is_empty(path):
        return
    from rnndiag.baseline import read_baseline

    try:
        read_baseline(path)
    except RnndiagError as error:
        what = f"{path} cannot be written: it is there, and no baseline that could be replaced"
        raise RnndiagError(InputCode.CANNOT_WRITE, what, "name another, or remove it") from error
