"""Elements: nothing in a text or an attribute is markup, and raw text cannot end its element."""

from __future__ import annotations

import pytest
from render.html.parsed import parsed
from render.reports import NASTY

from rnndiag.escape import printable
from rnndiag.render.html.element import Lines, Raw, element


@pytest.mark.parametrize("name", NASTY)
def test_hostile_text_is_text(name):
    written = element("p", name, element("b", name, title=name)).write()
    root = parsed(written)
    assert root.one("p").children[0] == printable(name)
    assert root.one("b").attributes == {"title": printable(name)}
    assert written.isascii()


def test_lines_stay_and_their_text_is_escaped():
    root = parsed(element("pre", Lines("if a < b:\n    </pre>\u202e\n")).write())
    assert root.one("pre").text == "if a < b:\n    </pre>\\u202e"


def test_attributes():
    written = element("input", class_="a", data_file=0, checked=True, hidden=False, id=None).write()
    assert written == '<input class="a" data-file="0" checked="">'


@pytest.mark.parametrize("text", ["a</script>", "<!-- a", "</"])
def test_raw_text_cannot_end_its_element(text):
    with pytest.raises(ValueError, match="must not"):
        Raw(text)


def test_children_may_come_in_any_nesting():
    assert element("p", ["a", None, ("b", ["c"])], (c for c in "de")).write() == "<p>abcde</p>"
