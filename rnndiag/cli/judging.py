"""From options and configuration to the rules that judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rnndiag.cli.configuration import Configuration, load
from rnndiag.errors import InputCode, RnndiagError

if TYPE_CHECKING:
    from rnndiag.cli.options import Selecting
    from rnndiag.rules import Choice, Judging


def judging(options: Selecting) -> Judging:
    """Which rules judge which file; raises RD007 for a code that is none, or for no rule at all.

    The options hold what the configuration says where nothing was typed; its own codes are looked
    at first, so that an error there is said of the file.
    """
    from rnndiag.rules import Choice, Judging

    configuration = load()
    configured = _choice(configuration.table, configuration, "")
    by_path = configuration.table.get("per-path", {})
    choice = Choice(
        None if options.select is None else _codes(options.select, "--select"),
        _codes(options.extend_select, "--extend-select"),
        _codes(options.ignore, "--ignore"),
        configured.settings,
    )
    if not choice.rules():
        what = "every rule is ignored, or none is selected"
        raise RnndiagError(InputCode.USAGE, what, "name one with --select, RD301 or RD3")
    return Judging(
        choice,
        tuple(
            (glob, _choice(table, configuration, f'per-path."{glob}".'))
            for glob, table in by_path.items()
        ),
        str(configuration.folder),
    )


def _choice(table: Any, configuration: Configuration, prefix: str) -> Choice:
    """What one table of the configuration chooses."""
    from rnndiag.rules import Choice, RuleSetting
    from rnndiag.rules.selection import checked_codes, checked_setting

    def place(key: str) -> str:
        return f"{prefix}{key} in {configuration.file}"

    select = table.get("select")
    return Choice(
        None if select is None else checked_codes(select, place("select")),
        checked_codes(table.get("extend-select", ()), place("extend-select")),
        checked_codes(table.get("ignore", ()), place("ignore")),
        {
            code: checked_setting(code, RuleSetting(**settings), place(f"rules.{code}"))
            for code, settings in table.get("rules", {}).items()
        },
    )


def _codes(given: list[str] | None, place: str) -> tuple[str, ...]:
    """Codes of an option that may be repeated, each time with several of them."""
    from rnndiag.rules.selection import checked_codes

    return checked_codes([code for text in given or () for code in text.split(",")], place)
