"""Names from files and paths are hostile text: made harmless before anything shows them."""


def printable(text: str) -> str:
    r"""The text with everything that is not a plain printable character spelled out.

    Escape sequences, newlines, bidirectional overrides and undecodable bytes come out as \\xNN,
    \\uNNNN, and so does one character of what begins a workflow command in a CI log (`::`, `##[`);
    nothing else changes.

    >>> printable("lstm\x1b[31m\n")
    'lstm\\x1b[31m\\n'
    >>> printable("::error::model.pt")
    ':\\x3aerror:\\x3amodel.pt'
    """
    plain = "".join(c if c.isprintable() else _spelled(c) for c in text)
    return plain.replace("::", ":\\x3a").replace("##[", "##\\x5b")


ASCII = {
    **{"φ": "phi", "λ": "lambda", "ρ": "rho", "σ": "sigma", "√": "sqrt", "Σ": "sum", "∂": "d"},
    **{
        "≥": ">=",
        "≤": "<=",
        "±": "+-",
        "·": "*",
        "−": "-",
        "–": "-",
        "…": "...",
        "‖": "||",
        "─": "-",
    },
}
"""The field's symbols, for readers whose encoding has none of them."""


def encodable(text: str, encoding: str) -> str:
    r"""The text with what the encoding does not have in words, else spelled out.

    >>> encodable("φ ≥ 3, é", "ascii")
    'phi >= 3, \\xe9'
    """
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        plain = "".join(ASCII.get(character, character) for character in text)
        return plain.encode(encoding, "backslashreplace").decode(encoding)
    return text


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
