"""One browser for a file of tests; without one they are left out, and in CI they fail."""

from __future__ import annotations

import json
import os

import pytest
import torch
from browser.browsing import console, missing, requested, screen, start
from cli.command import FIXTURES
from render.reports import HOSTILE, measured, named
from torch import nn

from rnndiag.errors import InputCode, RnndiagError
from rnndiag.render import Screen, renderer
from rnndiag.report import FileReport, Report

SCRIPT_NAME = f"</script><script>document.title = 'taken'</script>\u2028<!--{HOSTILE}"


@pytest.fixture(scope="module")
def chromium():
    absent = missing()
    if absent and os.environ.get("RNNDIAG_BROWSER") == "required":
        pytest.fail(f"the report has to be tried in a browser, and there is no {absent}")
    if absent:
        pytest.skip(f"the report was NOT tried in a browser: no {absent} (.ci/run installs them)")
    driver = start()
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium):
    """The same for every test: a wide and light page."""
    screen(chromium, 1200)
    return chromium


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """By name: a page's address, and the JSON of the same report."""
    folder = tmp_path_factory.mktemp("pages")
    torch.manual_seed(0)
    stack = nn.LSTM(3, 6, 2, bidirectional=True).state_dict()
    torch.save(stack, folder / "stack.pt")
    torch.save({"optimizer": None, **nn.RNN(3, 4).state_dict()}, folder / "plain.pt")
    files = {
        "rnn": [measured(FIXTURES / "char_rnn.pt", seq_len=200)],
        "lstm": [measured(FIXTURES / "delayed_recall_lstm.pt", seq_len=200)],
        "stack": [measured(folder / "stack.pt", seq_len=100)],
        "hostile": [measured(named(folder / "h.pt", SCRIPT_NAME), SCRIPT_NAME)],
        "several": [
            measured(FIXTURES / "exploding_rnn.pt", seq_len=200),
            measured(folder / "stack.pt", seq_len=30),
            FileReport("cut.pt", error=RnndiagError(InputCode.DAMAGED, "cut", "copy it again")),
        ],
    }
    made = {}
    for name, shown in files.items():
        report = Report("report", {}, tuple(shown))
        page = folder / f"{name}.html"
        page.write_text(renderer("html")(report, Screen()), encoding="utf-8")
        made[name] = page.as_uri(), json.loads(renderer("json")(report, Screen()))
    return made


@pytest.fixture
def opened(browser, pages):
    """Open a page; when the test is over, it has said nothing and asked for nothing."""
    addresses = []
    console(browser), requested(browser)  # of whatever was open before

    def go(name):
        address, whole = pages[name]
        browser.get(address)
        addresses.append(address)
        return whole["files"]

    yield go
    assert console(browser) == []
    assert requested(browser) == addresses
