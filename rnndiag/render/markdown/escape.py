"""Text in a pull-request comment: nothing in it is markup, a link, a mention or a reference."""

from __future__ import annotations

import re
import string

from rnndiag.escape import printable

PLAIN = "-./(),;='\"%?+_:"
"""Punctuation that means nothing within a line, the last two where they stand in a word or before a
blank; all other is written as a character reference."""

_SPECIAL = re.compile(
    f"[{re.escape(''.join(sorted(set(string.punctuation) - set(PLAIN))))}]"
    "|(?<![A-Za-z0-9_])_+|_+(?![A-Za-z0-9_])|:(?! )"
)


def text(raw: str) -> str:
    """One line that reads as it was, wherever in a line it is put.

    References are text and never structure (CommonMark 2.5). A mention or an address is looked for
    in what they stand for, which the empty comment breaks up.

    >>> text("a_b|__c__"), text("@user")
    ('a_b&#124;&#95;&#95;c&#95;&#95;', '&#64;<!-- -->user')
    """
    harmless = _SPECIAL.sub(_reference, printable(raw)).replace("&#64;", "&#64;<!-- -->")
    return harmless.replace("www.", "www&#46;")


def _reference(found: re.Match[str]) -> str:
    return "".join(f"&#{ord(character)};" for character in found[0])


def code(raw: str) -> str:
    """A name, in the type of code.

    >>> code("encoder.lstm/0/forward")
    '<code>encoder.lstm/0/forward</code>'
    """
    return f"<code>{text(raw)}</code>"


def fenced(source: str, language: str) -> str:
    """Lines of code, between fences longer than any that they hold."""
    fence = "```"
    while fence in source:
        fence += "`"
    return f"{fence}{language}\n{source.rstrip()}\n{fence}"
