"""The whole page: its head, which allows nothing from elsewhere, and its sections."""

from __future__ import annotations

import base64
import hashlib
import pkgutil
from collections.abc import Iterator

from rnndiag._version import __version__
from rnndiag.render.html import file, overview
from rnndiag.render.html.data import page_data, script_safe
from rnndiag.render.html.element import Child, Element, Raw, element
from rnndiag.render.html.parts import prose
from rnndiag.render.html.sampling import Sampling
from rnndiag.report import Report


def page(report: Report) -> Element:
    """The root element."""
    sampling = Sampling(report)
    style, script = _own("style.css"), _own("script.js")
    data = script_safe(page_data(report, sampling))
    sections = [file.show(report, sampling, place) for place in range(len(report.files))]
    body = element(
        "body",
        _header(report),
        element("main", overview.show(report, sampling), sections, overview.skipped(report)),
        _footer(),
        element("script", Raw(data), type="application/json", id="data"),
        element("script", Raw(script)),
    )
    head = element("head", _head(report, style, script), element("style", Raw(style)))
    return element("html", head, body, lang="en")


def _head(report: Report, style: str, script: str) -> Iterator[Element]:
    """Nothing is loaded; only this style sheet and this script may be used."""
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    yield element("meta", charset="utf-8")
    yield element("meta", http_equiv="Content-Security-Policy", content=policy)
    yield element("meta", name="viewport", content="width=device-width, initial-scale=1")
    yield element("meta", name="color-scheme", content="light dark")
    yield element("link", rel="icon", href="data:,")
    names = ", ".join(one.path for one in report.files[:3])
    more = f" and {len(report.files) - 3} more" if len(report.files) > 3 else ""
    yield element("title", f"rnndiag report: {names}{more}")


def _header(report: Report) -> Element:
    toggle = element("button", "Dark", type="button", id="theme", hidden=True)
    return element(
        "header",
        element("h1", "rnndiag report"),
        element("p", "What happens to the gradients of these recurrent networks through time."),
        toggle,
        _failure(report),
    )


def _failure(report: Report) -> Child:
    if report.failure is None:
        return None
    return element("p", f"No verdict: {report.failure.what}.", class_="failure", role="alert")


def _footer() -> Element:
    said = (
        f"Made by rnndiag {__version__}, which executes nothing in a file. "
        "`rnndiag report --format json` has every number in full."
    )
    return element("footer", element("p", *prose(said)))


def _own(name: str) -> str:
    """A file of this package."""
    return (pkgutil.get_data("rnndiag.render.html", name) or b"").decode()


def _digest(text: str) -> str:
    """As a content security policy names what it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
