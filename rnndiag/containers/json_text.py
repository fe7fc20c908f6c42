"""JSON from a file, read strictly: no name twice, no depth that exhausts the stack."""

from __future__ import annotations

from rnndiag.containers.failures import damaged, refused
from rnndiag.containers.text import printable


def json_object(raw: bytes, what: str) -> dict[str, object]:
    """The object that `raw` spells; `what` names it in errors, as in "its header".

    Raises RD003 for anything but a JSON object and RD004 where a name occurs twice and readers
    would differ.
    """

    def without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = {printable(key): value for key, value in pairs}
        if len(found) != len(pairs):
            raise refused(f"{what} names something twice")
        return found

    import json

    try:
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=without_repeats)
    except (ValueError, RecursionError):
        raise damaged(f"{what} is no valid JSON") from None
    if not isinstance(found, dict):
        raise damaged(f"{what} is no JSON object")
    return found
