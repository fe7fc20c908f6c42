"""One browser for a file of tests; without one they are left out, and in CI they fail."""

from __future__ import annotations

import os

import pytest
from browser.browsing import missing, screen, start


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
