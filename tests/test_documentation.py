"""The pages that are made from the code, and what hand-written ones must not leave out."""

from __future__ import annotations

import re

import pytest
from example_blocks import ROOT
from generated_pages import json_page, pages, write_pages

from rnndiag.cli import app
from rnndiag.cli.configuration import KEYS
from rnndiag.errors import INPUT_CODES
from rnndiag.render import FORMATS
from rnndiag.rules import RULES

DOCS = ROOT / "docs"


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rules_page_says_everything_that_the_rule_says(rule):
    page = pages()[f"rules/{rule.code}.md"]
    for part in (rule.title, rule.documentation.strip(), rule.bound, rule.source):
        assert part in page
    assert f'severity = "{rule.severity}"' in page


def test_the_index_of_rules_lists_every_code():
    index = pages()["rules/index.md"]
    for code in (*(rule.code for rule in RULES), *(code.value for code in INPUT_CODES)):
        assert f"{code}" in index


def test_every_key_of_the_json_says_what_it_is():
    """The page is made from the schema's descriptions."""
    rows = re.findall(r"^\| `(.*?)` \| (.*?) \| (.*?) \|$", json_page(), re.MULTILINE)
    assert len(rows) > 200
    silent = [key for key, _, meaning in rows if not meaning and not key.endswith("non_finite")]
    assert silent == [], "give these a description in rnndiag/render/json/schema.json"


def test_every_reference_in_the_json_page_leads_somewhere():
    page = json_page()
    headings = set(re.findall(r"^## (\w+)$", page, re.MULTILINE))
    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= headings


def test_an_unchanged_page_is_not_written_again(tmp_path):
    write_pages(tmp_path)
    first = {page: page.stat().st_mtime_ns for page in tmp_path.rglob("*.md")}
    write_pages(tmp_path)
    assert {page: page.stat().st_mtime_ns for page in tmp_path.rglob("*.md")} == first
    assert len(first) == len(pages())


def test_every_command_shows_its_help():
    for command in app.app.registered_commands:
        assert f"$ rnndiag {command.name} --help" in text("reference/commands.md")


def test_every_format_is_in_the_tables():
    for name, made in FORMATS.items():
        assert f"| `{name}` |" in text("reference/output.md")
        if "check" in made.commands:
            assert f"| `{name}` |" in text("questions/gating.md")


def test_every_configuration_key_is_in_the_table():
    for key in set(KEYS) - {"rules", "per-path"}:
        assert f"| `{key}` |" in text("reference/configuration.md")


def test_no_page_is_left_out_of_the_contents():
    contents = text("index.md")
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        assert name == "index" or name.startswith("generated/") or f"\n{name}\n" in contents, name


NAMED = re.compile(r"`((?:rnndiag|tests|fixtures|benchmarks)/[\w./]*)`")
PLACEHOLDERS = ("NAME", "NNN")


def test_every_file_that_a_page_names_is_there():
    named = [
        found
        for page in sorted(DOCS.rglob("*.md"))
        for found in NAMED.findall(page.read_text(encoding="utf-8"))
        if not any(word in found for word in PLACEHOLDERS)
    ]
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
