"""Every command that README and docs show is run, and must print what stands there."""

from __future__ import annotations

import pytest
from example_blocks import EXAMPLE, PAGES, ROOT, has_examples, page_name, refreshed

import rnndiag
from rnndiag.tracing import TraceRequest

SHOWING = [page for page in PAGES if has_examples(page)]

SHOWN = {
    "README.md": ("bptt-trace --seq-len 200", "spectrum", "check"),
    "docs/start.md": ("inspect", "spectrum", "bptt-trace", "suggest", "check", "explain"),
}


@pytest.mark.parametrize("page", SHOWING, ids=page_name)
def test_shown_output_is_the_real_one(page):
    assert refreshed(page) == page.read_text(encoding="utf-8"), "run `make readme`"


@pytest.mark.parametrize("name", SHOWN)
def test_the_first_pages_show_the_main_commands(name):
    found = EXAMPLE.finditer((ROOT / name).read_text(encoding="utf-8"))
    shown = [block["command"] or "" for block in found]
    for command in SHOWN[name]:
        assert any(line.startswith(f"rnndiag {command}") for line in shown), command


def test_what_the_readme_says_under_its_picture_is_so():
    """The picture is drawn by `make readme`; its numbers stand in its words."""
    request = TraceRequest(seq_len=200)
    (layer,) = rnndiag.trace(str(ROOT / "fixtures" / "char_rnn.pt"), request).layers
    drives = {drive.drive: drive for drive in layer.trace.drives}
    assert drives["generated"].deciding
    assert drives["generated"].decay.horizons[2] == 21
    assert drives["generated"].log10_gradient_norm[-1] == pytest.approx(-34, abs=0.5)
    assert 6.5 < drives["weak"].decay.growth_log10 < 7
    assert layer.trace.textbook_log10[20] > 7  # where the picture ends
    (layer,) = rnndiag.spectrum(str(ROOT / "fixtures" / "char_rnn.pt")).layers
    assert f"{layer.spectrum.blocks[0].spectral_radius:.1f}" == "2.4"
    words = (ROOT / "README.md").read_text(encoding="utf-8")
    for said in ("to 10^-34", "after 21 steps", "more than 6 decades", "radius of 2.4"):
        assert said in words
