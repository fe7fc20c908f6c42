"""Logged norms out of JSON: one document, or an object a line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

from rnndiag.containers.norm_columns import Log
from rnndiag.containers.norm_tables import LABELS

DEEPEST = 8
"""Levels of objects whose keys are joined: RLlib's norm lies under the sixth."""

Object = dict[str, object]


def read_document(text: str, log: Log) -> bool:
    """Fill a log from a whole file; False where it is not one JSON document.

    A list of objects or numbers, TensorBoard's list of [time, step, value], an object of lists, or
    an object that holds such a list, as trainer_state.json its `log_history`.
    """
    found = _parsed(text)
    if isinstance(found, dict):
        found = _rows_within(found)
    if isinstance(found, dict):
        _of_object_of_lists(found, log)
    elif isinstance(found, list):
        for number, item in enumerate(found, 1):
            _add(item, f"entry {number}", log)
    else:
        return False
    return True


def read_objects(text: str, log: Log) -> bool:
    """Fill a log from an object a line; False where a line is not JSON."""
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if not line.strip():
            continue
        item = _parsed(line)
        if item is None:
            log.refuse(f"line {number}", "text that is not JSON")
        else:
            _add(item, f"line {number}", log)
    return log.refused is None


def _parsed(text: str) -> object | None:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed


def _rows_within(found: Object) -> object:
    """The list of objects that an object holds, else the object itself."""
    rows = found.get("log_history")
    if rows is None:
        rows = next((one for one in found.values() if _is_rows(one)), None)
    return found if rows is None else rows


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _of_object_of_lists(found: Object, log: Log) -> None:
    """Each key's list is a column, as is pandas' object under it; a plain value is one entry."""
    for name, value in _flat(found, DEEPEST):
        one = log.series(name)
        column = value if isinstance(value, list) else [value]
        if one is not None:
            for number, item in enumerate(column, 1):
                one.add(f"entry {number}", item)


def _add(item: object, where: str, log: Log) -> None:
    """One step: an object with its metrics, or a bare number."""
    if isinstance(item, list) and len(item) == 3:
        item = dict(zip(("time", "step", "value"), item, strict=True))
    if not isinstance(item, dict):
        one = log.series("")
        if one is not None:
            one.add(where, item)
        return
    label = next((item[key] for key in LABELS if isinstance(item.get(key), str)), None)
    if label is not None and "value" in item:
        item = {str(label): item["value"]}
    for name, value in _flat(item, DEEPEST):
        one = log.series(name)
        if one is not None:
            one.add(where, value)


def _flat(found: Object, depth: int) -> Iterator[tuple[str, object]]:
    """Keys joined by slashes, and what stands under them."""
    for key, value in found.items():
        if not isinstance(value, dict):
            yield key, value
        elif value and all(inner.isdigit() for inner in value):
            yield key, list(value.values())
        elif depth:
            yield from ((f"{key}/{name}", inner) for name, inner in _flat(value, depth - 1))
