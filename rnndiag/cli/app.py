"""The Typer application: which commands there are."""

from __future__ import annotations

from typing import Annotated

import typer

from rnndiag._version import __version__
from rnndiag.cli.bptt_trace import bptt_trace
from rnndiag.cli.check import check
from rnndiag.cli.configuration import load
from rnndiag.cli.diff import diff
from rnndiag.cli.explain import explain
from rnndiag.cli.inspect import inspect
from rnndiag.cli.spectrum import spectrum
from rnndiag.cli.suggest import suggest

app = typer.Typer(
    name="rnndiag",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for name, command in (
    ("inspect", inspect),
    ("spectrum", spectrum),
    ("bptt-trace", bptt_trace),
    ("suggest", suggest),
    ("check", check),
    ("diff", diff),
    ("explain", explain),
):
    app.command(name)(command)


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
    if context.invoked_subcommand != "explain":
        # Typer asks this after the command line and the environment, before its own defaults.
        command = context.invoked_subcommand or ""
        context.default_map = {command: load().defaults(command)}
