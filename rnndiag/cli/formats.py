"""In which formats a call shows its report: one where it is read, others to files besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnndiag.errors import InputCode, RnndiagError
from rnndiag.render import FORMATS

if TYPE_CHECKING:
    from rnndiag.cli.options import Output
    from rnndiag.report import Command


@dataclass(frozen=True)
class Formats:
    """The formats of one call, all of the same report."""

    shown: str
    """On stdout, or to --output."""

    also: tuple[tuple[str, Path], ...] = ()
    """Formats of --also, and their files."""

    @property
    def measures(self) -> bool:
        """Whether any of them shows curves and eigenvalues of the files of a gate."""
        names = (self.shown, *(name for name, _ in self.also))
        return any(FORMATS[name].measures for name in names)

    def appended(self, environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
        """Formats at the end of files that the environment names."""
        for variable, name in FORMATS[self.shown].appended.items():
            if target := environment.get(variable):
                yield name, Path(target)


def formats(command: Command, output: Output, otherwise: str) -> Formats:
    """Those asked for; `otherwise`, or what the command has where it has not that.

    Raises RnndiagError (RD007) for one that the command does not have, and where one report would
    replace another.
    """
    offered = _offered(command)
    shown = output.format_name or (otherwise if otherwise in offered else offered[0])
    _require(command, shown, f"--format {shown}")
    also = tuple(_also(command, given) for given in output.also or ())
    files = [Path(output.output or "-"), *(file for _, file in also)]
    if len(set(files)) < len(files):
        raise RnndiagError(InputCode.USAGE, "two reports go to one file", "give each its own")
    return Formats(shown, also)


def _also(command: Command, given: str) -> tuple[str, Path]:
    name, _, file = given.partition("=")
    if name not in FORMATS or not file:
        what = f"--also {given} is not FORMAT=FILE"
        raise RnndiagError(InputCode.USAGE, what, f"such as {_offered(command)[-1]}=report")
    _require(command, name, f"--also {name}")
    return name, Path(file)


def _require(command: Command, name: str, option: str) -> None:
    commands = FORMATS[name].commands
    if command not in commands:
        what = f"{option} is for {', '.join(commands)}"
        raise RnndiagError(InputCode.USAGE, what, f"{command} has {', '.join(_offered(command))}")


def _offered(command: Command) -> list[str]:
    return [name for name, made in FORMATS.items() if command in made.commands]
