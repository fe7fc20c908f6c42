"""The Typer application: which commands there are."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rnndiag._version import __version__
from rnndiag.cli.configuration import load
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.paths import is_url, nearest_file

COMMANDS = {
    "inspect": "inspect",
    "spectrum": "spectrum",
    "bptt-trace": "bptt_trace",
    "suggest": "suggest",
    "check": "check",
    "diff": "diff",
    "report": "report",
    "explain": "explain",
}
"""By its name, the module of rnndiag.cli whose function of the same name it is."""

SETTINGS = {"help_option_names": ["-h", "--help"]}


class LoadedWhenAsked(Mapping[str, Any]):
    """Typer's commands by name: a call loads its own alone, which a user would wait for."""

    def __getitem__(self, name: str) -> Any:
        module = COMMANDS[name]
        one = typer.Typer(add_completion=False, context_settings=SETTINGS)
        one.command(name)(getattr(importlib.import_module(f"rnndiag.cli.{module}"), module))
        return typer.main.get_command(one)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Commands(TyperGroup):
    """The group of all of them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = LoadedWhenAsked()  # Typer only looks things up in it

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As Typer does; an unknown command's name is told with what may have been meant."""
        name = args[0]
        if name in COMMANDS or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        raise RnndiagError(InputCode.USAGE, f"no command {name}", _meant(name))


def _meant(name: str) -> str:
    """A command of nearly this name, or what to type for a file of this name or nearly."""
    if near := difflib.get_close_matches(name, COMMANDS, n=1):
        return f"did you mean {near[0]}?"
    file = name if is_url(name) or os.path.exists(name) else nearest_file(name)  # noqa: PTH110 (a hostile path need not survive Path())
    if file is None:
        return "see rnndiag --help"
    command = "check" if os.path.isdir(file) else "inspect"  # noqa: PTH112 (the same)
    return f"to look into it: rnndiag {command} {file}"


app = typer.Typer(
    name="rnndiag",
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"rnndiag {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="And exit.")
    ] = False,
) -> None:
    """What happens to a trained PyTorch RNN's gradients through time, from its checkpoint alone."""
    # Typer asks this after the command line and the environment, before its own defaults. What is
    # wrong with a configuration is said by the command, which reads it again for its rules: --help,
    # which ends before, is there for whoever has to mend it.
    command = context.invoked_subcommand or ""
    with contextlib.suppress(RnndiagError):
        context.default_map = {command: load().defaults(command)}
