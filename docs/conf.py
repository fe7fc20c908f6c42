"""How Sphinx builds the documentation: `make docs`, with every warning an error."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

from rnndiag import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "rnndiag"
project_copyright = "the rnndiag authors, Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["**/.*"]
myst_heading_anchors = 3
smartquotes = False  # options begin with two hyphens

html_theme = "furo"
html_title = f"rnndiag {__version__}"
html_static_path = ["static"]
html_css_files = ["terminal.css"]
html_copy_source = False
html_show_sphinx = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
nitpick_ignore_regex = [
    # Types without a page here: numpy's, torch's and the standard library's (the build asks no
    # other site for an index), and our own names for numbers, words and what is internal.
    ("py:.*", r"(numpy|np|npt|torch|nn|collections|pathlib|enum|typing)\..*"),
    ("py:class", r"FloatArray|Verdict|Command|Setting|FailOn|Probe|(Layer)?Comparison"),
    ("py:class", r"tuple\[(str|Finding|NotApplicable)|Basis|Limits|rnndiag\.errors\.Content"),
    ("py:class", r"(rnndiag\.capturing\.recording\.)?Loss(Scaler)?"),
    # Names under `if TYPE_CHECKING`, which autodoc does not follow.
    ("py:class", r"LossGradient|Gram|StateGrowth|TrainingScale|SequenceLength|Spoilt"),
    ("py:class", r"RecordedSeries"),
]


def _as_restructured_text(
    _app: Sphinx, _what: str, _name: str, _thing: object, _options: object, lines: list[str]
) -> None:
    """Docstrings here are plain text: `code`, examples, and what is indented is code, too."""
    text = re.sub(r"(?<=\n\n)(?=    \S)", "::\n\n", "\n".join(lines))
    lines[:] = [_escaped(line) for line in text.splitlines()]


def _escaped(line: str) -> str:
    """A line without reStructuredText's own signs, unless it is code."""
    if line.startswith((">>>", "...", "    ")):
        return line
    parts = re.split(r"(`[^`]+`)", line)
    return "".join(
        f"`{part}`" if part.startswith("`") else re.sub(r"([*|\\]|_(?=\W|$))", r"\\\1", part)
        for part in parts
    )


def _link_codes(_app: Sphinx, _page: str, source: list[str]) -> None:
    """`RD301` leads to the rule's page. The sources are read elsewhere too, without such pages."""
    source[0] = re.sub(r"`(RD[1-9]\d\d)`", r"[\1](/generated/rules/\1.md)", source[0])


def setup(app: Sphinx) -> None:
    """Write the pages that are made from the code, and read text and docstrings as meant."""
    from generated_pages import write_pages  # beside this file

    app.connect("builder-inited", lambda _: write_pages(HERE / "generated"))
    app.connect("source-read", _link_codes)
    app.connect("autodoc-process-docstring", _as_restructured_text)
