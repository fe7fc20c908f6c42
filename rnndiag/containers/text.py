"""Text from a file, made safe to carry: no lone surrogates, whatever the bytes were."""

from __future__ import annotations


def decoded(raw: bytes) -> str:
    """UTF-8, with every byte that is none written as an escape."""
    return raw.decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """The text with lone surrogates, which no encoding accepts, written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def python2_string(raw: bytes) -> str | bytes:
    """A Python 2 `str`: text where it is UTF-8, else left as the bytes it is."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw
