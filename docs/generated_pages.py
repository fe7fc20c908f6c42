"""Pages made from the code when the documentation is built: the rules, and the keys of the JSON.

They are not committed. A committed copy would say the same a second time, and each change of a rule
would have to be followed by hand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnndiag.errors import INPUT_CODES
from rnndiag.render import json as json_format
from rnndiag.rules import RULES
from rnndiag.rules.base import Rule

SCHEMA = Path(json_format.__file__).with_name("schema.json")

GROUPS = {
    "RD1": "Weights",
    "RD2": "Spectrum",
    "RD3": "Gradient through time",
    "RD4": "Training state",
}
"""What the first digit of a rule's code stands for."""


def pages() -> dict[str, str]:
    """Every page's Markdown by its file name."""
    rules = {f"rules/{rule.code}.md": rule_page(rule) for rule in RULES}
    return {"rules/index.md": rules_index(), **rules, "json.md": json_page()}


def write_pages(folder: Path) -> None:
    """Into `folder`; a page that is unchanged keeps its date, so that it is not built again."""
    for name, text in pages().items():
        page = folder / name
        page.parent.mkdir(parents=True, exist_ok=True)
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def rule_page(rule: Rule) -> str:
    """All that a rule says of itself, as `rnndiag explain` does."""
    milder = f"{rule.milder} or " if rule.milder is not None else ""
    return (
        f"# {rule.code}: {rule.title}\n\n"
        f"{rule.documentation.strip()}\n\n"
        f"- **Severity:** {milder}{rule.severity}\n"
        f"- **Threshold:** {rule.bound}\n"
        f"- **Where it comes from:** {rule.source}\n"
        f"- **In a baseline:** {_accepted(rule)}\n\n"
        f"To change it, in `pyproject.toml`:\n\n```toml\n{_setting(rule)}```\n"
    )


def _accepted(rule: Rule) -> str:
    """Until when a finding that was accepted stays so."""
    if rule.degree is None:
        return "accepted as it is"
    return f"accepted until `{rule.degree.key}` gets {rule.degree.worse}, beyond a tolerance"


def _setting(rule: Rule) -> str:
    """The lines that set a rule to what it already is."""
    threshold = "" if math.isnan(rule.limit) else f"threshold = {rule.limit:g}\n"
    return f'[tool.rnndiag.rules.{rule.code}]\nseverity = "{rule.severity}"\n{threshold}'


def rules_index() -> str:
    """Every code in a table, by group, and the codes of what gets no verdict."""
    lines = [
        "# The rules",
        "",
        "`rnndiag check` applies every rule to every file; the other commands list what fired below"
        " their tables. Each page here is what `rnndiag explain CODE` prints.",
        "",
    ]
    for start, title in GROUPS.items():
        lines += [f"## {title}", "", "| code | what it finds | severity |", "|---|---|---|"]
        lines += [_row(rule) for rule in RULES if rule.code.startswith(start)]
        lines += [""]
    lines += [
        "## No verdict",
        "",
        "These end in exit code 2 and cannot be ignored.",
        "",
        "| code | what it means |",
        "|---|---|",
    ]
    lines += [f"| {code.value} | {text} |" for code, text in INPUT_CODES.items()]
    hidden = "\n".join(rule.code for rule in RULES)
    return "\n".join(lines) + f"\n\n```{{toctree}}\n:hidden:\n\n{hidden}\n```\n"


def _row(rule: Rule) -> str:
    severity = rule.severity if rule.milder is None else f"{rule.milder} or {rule.severity}"
    return f"| [{rule.code}]({rule.code}.md) | {rule.title} | {severity} |"


def json_page() -> str:
    """One table of keys for each object of the schema."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    parts = {"The report": schema, **schema["$defs"]}
    sections = [_section(title, part) for title, part in parts.items()]
    return f"# Keys of the JSON\n\n{schema['description']}\n\n" + "\n".join(sections)


def _section(title: str, part: dict[str, Any]) -> str:
    said = part.get("description", "") if title != "The report" else ""
    heading = f"## {title}\n\n" + (f"{said}\n\n" if said else "")
    rows = [f"| `{key}` | {kind} | {text} |" for key, kind, text in _keys(part)]
    if not rows:
        return heading + f"{_kind(part)}\n".capitalize()
    return heading + "\n".join(["| key | value | meaning |", "|---|---|---|", *rows]) + "\n"


def _keys(part: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(dotted key, kind, meaning) of an object's keys, those of objects inside it after it."""
    for key, value in part.get("properties", {}).items():
        yield prefix + key, _kind(value), value.get("description", "").replace("|", "\\|")
        for inner, mark in _inside(value):
            yield from _keys(inner, f"{prefix}{key}{mark}.")


def _inside(value: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Objects written out inside a value, and how a key into them is written."""
    for choice in (value, *value.get("anyOf", ())):
        yield choice, ""
        for key, mark in (("items", "[]"), ("additionalProperties", ".*")):
            if isinstance(choice.get(key), dict):
                yield choice[key], mark


def _kind(value: dict[str, Any]) -> str:
    """What stands there, in a few words."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name})"
    if "anyOf" in value:
        return " or ".join(_kind(choice) for choice in value["anyOf"])
    if "enum" in value:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in value["enum"])
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    kinds = value.get("type", "anything")
    named = " or ".join(kinds) if isinstance(kinds, list) else kinds
    items = value.get("items")
    return f"{named} of {_kind(items)}" if isinstance(items, dict) else named
