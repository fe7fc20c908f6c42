"""Something new is one file and one registry line: every file is registered, every name agrees."""

from __future__ import annotations

import ast
import importlib
import math
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from rnndiag import drives, report
from rnndiag.advice.changes import CHANGES
from rnndiag.advice.snippets import FRAMEWORKS
from rnndiag.cells import CELLS
from rnndiag.cells.base import Cell
from rnndiag.cli import app, options, suggest
from rnndiag.containers import CONTAINERS
from rnndiag.containers.candidate import Container
from rnndiag.errors import INPUT_CODES, InputCode
from rnndiag.measure.spectrum import BLOCKS
from rnndiag.recognise.layers import GATES, CellKind
from rnndiag.render import COMMANDS, FORMATS, renderer
from rnndiag.render.table.parts import SEVERITY_STYLES, VERDICT_STYLES
from rnndiag.rules import RULES
from rnndiag.rules.base import SEVERITIES, Severity

PACKAGE = Path(report.__file__).parent


def test_every_rule_file_is_registered_under_its_own_name():
    files = sorted(path.stem for path in (PACKAGE / "rules").glob("rd*.py"))
    assert [rule.code.lower() for rule in RULES] == files
    for rule in RULES:
        module = importlib.import_module(f"rnndiag.rules.{rule.code.lower()}")
        assert module.RULE is rule
        assert rule.documentation == module.__doc__


def rule_tests() -> list[str]:
    """Names of all tests of rules."""
    trees = [ast.parse(path.read_text()) for path in (Path(__file__).parent / "rules").glob("*.py")]
    return [node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_is_fired_and_silenced_by_a_test(rule):
    for verb in ("fires", "is_silent"):
        assert any(name.startswith(f"test_{rule.code.lower()}_{verb}") for name in rule_tests())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_says_what_it_is(rule):
    assert rule.title
    assert rule.bound
    assert rule.source
    assert rule.needs
    assert rule.check.__doc__
    # A threshold that can be set is one that is shown.
    assert math.isnan(rule.limit) == ("{limit" not in rule.threshold)
    assert "nan" not in rule.bound
    assert rule.severity in SEVERITIES
    if rule.milder is not None:
        assert SEVERITIES.index(rule.milder) < SEVERITIES.index(rule.severity)
    assert "Remedy:" in rule.documentation
    assert rule.code not in {code.value for code in InputCode}


def test_every_input_code_is_explained():
    assert set(INPUT_CODES) == set(InputCode)
    assert [code.value for code in InputCode] == [f"RD00{n}" for n in range(1, 10)]


def test_every_format_has_its_file_and_is_offered():
    assert tuple(FORMATS) == get_args(options.Format)
    paths = {p.stem if p.suffix else p.name for p in (PACKAGE / "render").iterdir()}
    helpers = {
        "__init__",
        "__pycache__",
        "base",
        "canvas",
        "pictures",
        "progress",
        "shared",
        "sparkline",
    }
    assert set(FORMATS) == paths - helpers
    for name in FORMATS:
        assert callable(renderer(name))


def test_every_format_says_what_it_is_for():
    assert get_args(report.Command) == COMMANDS
    for made in FORMATS.values():
        assert made.commands
        assert set(made.commands) <= set(COMMANDS)
        assert set(made.appended.values()) <= set(FORMATS)


def test_every_container_file_is_registered():
    modules = [
        importlib.import_module(f"rnndiag.containers.{path.stem}")
        for path in (PACKAGE / "containers").glob("*.py")
        if path.stem != "__init__"
    ]
    made = [value for module in modules for value in vars(module).values()]
    found = {id(value) for value in made if isinstance(value, Container)}
    assert found == {id(container) for container in CONTAINERS}
    assert len({container.name for container in CONTAINERS}) == len(CONTAINERS)


def test_every_cell_file_is_registered():
    files = {path.stem for path in (PACKAGE / "cells").glob("*.py")} - {"__init__", "base"}
    homes = {kind.__module__.rpartition(".")[2] for kind in CELLS.values()}
    assert homes == files
    assert set(CELLS) == set(get_args(CellKind)) == set(GATES) == set(BLOCKS)
    assert {name: len(blocks) for name, blocks in BLOCKS.items()} == GATES
    assert Cell not in CELLS.values()


def test_every_change_file_is_registered():
    files = {path.stem for path in (PACKAGE / "advice" / "changes").glob("*.py")}
    homes = [propose.__module__.rpartition(".")[2] for propose in CHANGES]
    assert sorted(homes) == sorted(files - {"__init__", "base"})


def test_every_framework_has_its_file_and_is_offered():
    files = {path.stem for path in (PACKAGE / "advice" / "snippets").glob("*.py")}
    homes = {one.snippet.__module__.rpartition(".")[2] for one in FRAMEWORKS.values()}
    assert homes == files - {"__init__", "base"}
    assert tuple(FRAMEWORKS) == get_args(suggest.Framework)
    assert {one.name for one in FRAMEWORKS.values()} == set(FRAMEWORKS)


def test_the_command_lines_choices_are_the_reports():
    assert get_args(options.FailOn) == get_args(report.FailOn)
    shown = get_args(get_type_hints(options.Tracing, include_extras=True)["drive"])[1].metavar
    assert shown.split("|") == ["auto", *drives.SYNTHETIC, "FILE"]
    assert get_args(Severity) == SEVERITIES
    assert set(SEVERITY_STYLES) == set(SEVERITIES)
    assert set(get_args(options.FailOn)) - {"never"} <= set(SEVERITIES)


def test_every_verdict_has_a_colour_and_a_sentence():
    from rnndiag.measure.verdict import Verdict
    from rnndiag.readings import trace

    assert set(get_args(Verdict)) == set(VERDICT_STYLES) == set(trace._VERDICTS)


def test_every_command_is_one_thin_file():
    names = set(app.COMMANDS)
    files = {path.stem.replace("_", "-") for path in (PACKAGE / "cli").glob("*.py")}
    assert names <= files
    assert names - {"explain"} == set(get_args(report.Command))
