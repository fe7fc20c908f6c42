"""A page as a parser sees it: elements that nest, their attributes and texts."""

from __future__ import annotations

import json
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br"}


class Node:
    """One element."""

    def __init__(self, tag, attributes, parent):
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.children = []

    @property
    def text(self):
        return "".join(c if isinstance(c, str) else c.text for c in self.children)

    def all(self, tag, **attributes):
        """Elements below this one with this tag, whose attributes are these."""
        found = []
        for child in self.children:
            if isinstance(child, Node):
                if child.tag == tag and attributes.items() <= child.attributes.items():
                    found.append(child)
                found += child.all(tag, **attributes)
        return found

    def one(self, tag, **attributes):
        (found,) = self.all(tag, **attributes)
        return found


class _Builder(HTMLParser):
    def __init__(self):
        super().__init__()
        self.root = self.here = Node("", {}, None)

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}"
        node = Node(tag, dict(attrs), self.here)
        self.here.children.append(node)
        if tag not in VOID:
            self.here = node

    def handle_endtag(self, tag):
        assert self.here.tag == tag, f"</{tag}> ends <{self.here.tag}>"
        self.here = self.here.parent

    def handle_data(self, data):
        self.here.children.append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")


def parsed(page: str) -> Node:
    """The root; raises AssertionError for elements that do not nest."""
    builder = _Builder()
    builder.feed(page)
    builder.close()
    assert builder.here is builder.root, f"<{builder.here.tag}> has no end"
    return builder.root


def data_of(root: Node):
    """The JSON in the page."""
    return json.loads(root.one("script", id="data").text)


def table_of(root: Node, caption: str) -> list[list[str]]:
    """A table's cells, the header first."""
    tables = [t for t in root.all("table") if t.one("caption").text == caption]
    (table,) = tables
    return [[cell.text for cell in row.all("th") + row.all("td")] for row in table.all("tr")]
