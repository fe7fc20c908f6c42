"""The rows of the table of bad inputs: which test takes which, and how a case is called."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from cli.command import FIXTURES, expect_error, one_error, rnndiag

SINGLE = ("inspect", "spectrum", "bptt-trace", "suggest")
COMMANDS = (*SINGLE, "check")
GOOD = FIXTURES / "delayed_recall_gru.pt"
QUICK = ("--seq-len", 20, "--batch", 1)
BRIEF = {command: () if command in {"inspect", "spectrum"} else QUICK for command in COMMANDS}
"""Options with which each command takes some milliseconds."""
BRIEF["report"] = (*QUICK, "-o", "-")

Test = Callable[..., None]


def row(*numbers: int) -> Callable[[Test], Test]:
    """Say which rows of the table a test takes."""

    def mark(test: Test) -> Test:
        test.rows = frozenset(numbers)
        return test

    return mark


def cases(
    *tables: Sequence[tuple[Any, ...]], elsewhere: Collection[int] = ()
) -> Callable[[Test], Test]:
    """Parametrise by `case`, a tuple that begins with its row, and `as_process`.

    A process takes half a second, so only the first case of a row has one, and none of a row that
    has it `elsewhere`.
    """
    seen: set[int] = set()
    parameters = []
    for place, case in enumerate(itertools.chain(*tables)):
        as_process = case[0] not in seen and case[0] not in elsewhere
        parameters.append(pytest.param(case, as_process, id=f"row{case[0]}-{place}"))
        seen.add(case[0])

    def mark(test: Test) -> Test:
        return pytest.mark.parametrize(("case", "as_process"), parameters)(row(*seen)(test))

    return mark


def rows_of(*modules: ModuleType) -> set[int]:
    """Every row that some test of these modules takes."""
    tests = (thing for module in modules for thing in vars(module).values())
    return set().union(*(getattr(test, "rows", ()) for test in tests))


class Calls(NamedTuple):
    """A file without a verdict, and how the command is called on it."""

    folder: Path
    path: str
    in_process: Callable[..., Any]

    @classmethod
    def on(cls, built: str, folder: Path, in_process: Callable[..., Any]) -> Calls:
        """On a path as a person in the folder writes it, which is now the current one."""
        os.chdir(folder)
        is_inside = built.startswith(f"{folder}{os.sep}") or built == str(folder)
        return cls(folder, os.path.relpath(built, folder) if is_inside else built, in_process)

    def process(self, command: str, code: str, *words: str) -> None:
        """The installed command."""
        ran = rnndiag(command, self.path, folder=self.folder)
        expect_error(ran, code, *words, where=self.path)

    def every(self, commands: Sequence[str], code: str, *words: str) -> None:
        """The same without a process each, and in the format that has the error among its data."""
        for command in commands[1:]:
            ran = self.in_process(command, self.path)
            expect_error(ran, code, *words, where=self.path)
        ran = self.in_process(commands[0], self.path, "--format", "json")
        report, ran.stdout = json.loads(ran.stdout), ""
        expect_error(ran, code, *words, where=self.path)
        assert report["verdict"] == {"status": "no-verdict", "exit_code": 2}
        (file,) = report["files"]
        assert (file["path"], file["error"]["code"]) == (self.path, code)

    def beside_another(self, code: str) -> None:
        """The other file of the same call is still checked."""
        ran = self.in_process("check", self.path, GOOD, *QUICK)
        assert ran.returncode == 2
        assert one_error(ran.stderr)["code"] == code
        last = ran.stdout.splitlines()[-1]
        assert last.startswith("no-verdict: files 1, ")
        assert "unreadable 1," in last


def only_layer(stdout: str) -> dict[str, Any]:
    """The one layer of the one file of a report in JSON."""
    (file,) = json.loads(stdout)["files"]
    (layer,) = file["layers"]
    return layer
