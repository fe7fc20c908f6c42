"""Where a report goes: a terminal, a pipe or a file; and what an input error looks like."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

from rnndiag.cli import CLOSED_PIPE
from rnndiag.errors import InputCode, RnndiagError, cannot_write
from rnndiag.escape import encodable, printable
from rnndiag.paths import identity
from rnndiag.progress import Progress, Silent
from rnndiag.whole_file import write_whole

if TYPE_CHECKING:
    from rnndiag.cli.formats import Formats
    from rnndiag.cli.options import Output
    from rnndiag.render import Screen
    from rnndiag.report import Command, Report


def complain(error: RnndiagError, path: str | None = None) -> None:
    """One line on stderr."""
    where = f"{printable(path)}: " if path else "rnndiag: "
    notice(f"{where}{printable(str(error))}")


def notice(line: str) -> None:
    """Any line on stderr; where that is closed, print() would put it among the data."""
    if sys.stderr is None:
        return
    try:
        print(filled(line, sys.stderr) if sys.stderr.isatty() else line, file=sys.stderr)
    except OSError:
        # A full disk or a closed pipe: nobody can be told, but the exit code still says it.
        _abandon(sys.stderr)


def filled(text: str, stream: TextIO | None) -> str:
    """Prose, each line broken between words at the terminal's width, or at 100 without one."""
    import textwrap

    width = 100
    if stream is not None:
        with contextlib.suppress(OSError):
            width = os.get_terminal_size(stream.fileno()).columns or width
    wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapper.fill(line) for line in text.splitlines())


@contextlib.contextmanager
def progress_bar(silent: bool, doing: str = "tracing gradients") -> Iterator[Progress]:
    """A bar on stderr if that is a terminal and nobody asked for silence."""
    if silent or sys.stderr is None or not sys.stderr.isatty():
        yield Silent()
        return
    from rnndiag.render.progress import Bar

    bar = Bar(doing)
    try:
        yield bar
    finally:
        bar.close()


def chosen_formats(command: Command, output: Output) -> Formats:
    """Those asked for, else what suits the stream.

    Raises RnndiagError (RD007) for one that the command does not have, and for a picture that
    cannot be drawn: before anything is measured.
    """
    from rnndiag.cli.formats import formats

    to_terminal = output.to_stdout and _stdout().isatty()
    chosen = formats(command, output, "table" if to_terminal else "concise")
    if output.plot is not None:
        from rnndiag.plots import require_plot

        require_plot(command, output.plot)
    return chosen


def show(report: Report, chosen: Formats, output: Output) -> int:
    """Render a report and its picture, put them where they belong, and return the exit code."""
    for file in report.files:
        if file.error is not None:
            complain(file.error, file.path)
    if report.failure is not None:
        complain(report.failure)
    _spare_sources(report, chosen, output)
    to_terminal = output.to_stdout and _stdout().isatty()
    text = _rendered(report, chosen.shown, to_terminal, not output.to_stdout)
    for name, target in chosen.appended(os.environ):
        _append(_rendered(report, name), target)
    for name, target in chosen.also:
        write_file(target, _rendered(report, name).encode())
    undrawn = None if output.plot is None else _plot(report, output.plot)
    if output.output is None or output.to_stdout:
        write(text)
    else:
        write_file(Path(output.output), text.encode())
    if undrawn is not None:
        raise undrawn
    return int(report.exit_code)


def _plot(report: Report, target: str) -> RnndiagError | None:
    """Draw the picture; returns why there is nothing to draw, which the report says in full."""
    from rnndiag.plots import draw

    try:
        picture = draw(report, target)
    except RnndiagError as error:
        return error
    write_file(Path(target), picture)
    return None


def _spare_sources(report: Report, chosen: Formats, output: Output) -> None:
    """Raise RD008 where a report would replace a file that it tells of: nobody has it twice."""
    named = (None if output.to_stdout else output.output, output.plot)
    targets = [*(Path(name) for name in named if name), *(target for _, target in chosen.also)]
    # A pipe or a device is written to, and replaced by nothing.
    targets = [target for target in targets if target.is_file()]
    if not targets:
        return
    # What is no checkpoint at all may be the report of an earlier call.
    others = (s.name for s in report.skipped_files if s.code is InputCode.NO_RECURRENT_WEIGHTS)
    sources = [*(file.path for file in report.files), *others]
    sources += [value for value in report.settings.values() if isinstance(value, str)]
    sources += [report.baseline.path] if report.baseline is not None else []
    known = {identity(source) for source in sources} - {None}
    for target in targets:
        if identity(target) in known:
            what = f"{target} cannot be written: it was read for this report"
            raise RnndiagError(InputCode.CANNOT_WRITE, what, "choose another file")


def _rendered(report: Report, name: str, to_terminal: bool = False, to_file: bool = True) -> str:
    from rnndiag.render import renderer

    return renderer(name)(report, _screen(to_terminal, to_file))


def _append(text: str, target: Path) -> None:
    """At the end of a file that others write to as well."""
    try:
        with target.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise cannot_write(target, error, "correct its variable") from error


def write(text: str) -> None:
    """Text to stdout; a closed pipe ends the program quietly."""
    stdout = _stdout()
    try:
        stdout.write(encodable(text, stdout.encoding or "utf-8"))
        stdout.flush()
    except BrokenPipeError:
        _abandon(stdout)
        raise typer.Exit(CLOSED_PIPE) from None
    except OSError as error:
        raise RnndiagError(
            InputCode.CANNOT_WRITE, f"stdout cannot be written: {error.strerror}", "free the device"
        ) from error


def _abandon(stream: TextIO) -> None:
    """Let the interpreter flush a broken stream once more at exit without a complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _stdout() -> TextIO:
    if sys.stdout is None:
        raise RnndiagError(InputCode.CANNOT_WRITE, "stdout is closed", "open it or use --output")
    return sys.stdout


def write_file(path: Path, content: bytes) -> None:
    """All of the content or nothing; raises RD008."""
    write_whole(path, (content,), "choose another file")


def _screen(to_terminal: bool, to_file: bool) -> Screen:
    """Width, colours and characters of where the text is read; NO_COLOR and TERM=dumb hold."""
    from rnndiag.render import Screen

    environment = os.environ
    dumb = environment.get("TERM") == "dumb"
    forced = bool(environment.get("FORCE_COLOR"))
    colour = (to_terminal or forced) and not dumb and not environment.get("NO_COLOR")
    encoding = "utf-8" if to_file else _stdout().encoding or "utf-8"
    unicode = encoding.lower().replace("-", "").startswith("utf") and not dumb
    width = shutil.get_terminal_size((100, 24)).columns if to_terminal else 100
    return Screen(width=width, color=colour, unicode=unicode)
