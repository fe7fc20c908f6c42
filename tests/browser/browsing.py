"""Debian's Chromium without a window, driven by Selenium; and what a page did in it."""

from __future__ import annotations

import json
import re
import shutil

from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from rnndiag.rounding import power_of_ten

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


EMPTY_ICON = "data:,"
"""Stands in the page so that no browser asks for one."""


def missing() -> str:
    """Which of the two programs is not here."""
    return ", ".join(name for name in ("chromium", "chromedriver") if shutil.which(name) is None)


def start() -> webdriver.Chrome:
    """A browser whose console and network can be asked for afterwards."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def console(driver: webdriver.Chrome) -> list[str]:
    """What was said since it was last asked, complaints about the policy among it."""
    return [entry["message"] for entry in driver.get_log("browser")]


def requested(driver: webdriver.Chrome) -> list[str]:
    """Addresses that were asked for since it was last asked."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    addresses = [one["request"]["url"] for one in sent]
    return [address for address in addresses if address != EMPTY_ICON]


def screen(driver: webdriver.Chrome, width: int, scheme: str = "light", height: int = 900) -> None:
    """Look at pages with this width and colour scheme."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def picture(browser, kind):
    return next(
        p for p in browser.find_elements(By.CSS_SELECTOR, f"svg.{kind}") if p.is_displayed()
    )


def readout(svg):
    figure = svg.find_element(By.XPATH, "ancestor::figure")
    return figure.find_element(By.CLASS_NAME, "readout").text


def hover(browser, svg, x, y):
    """Put the pointer over a point given in the picture's own coordinates."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", svg)
    box = browser.execute_script(
        "const b = arguments[0].getBoundingClientRect(), v = arguments[0].viewBox.baseVal;"
        "return [b.width, b.height, v.width, v.height]",
        svg,
    )
    across, down = x * box[0] / box[2] - box[0] / 2, y * box[1] / box[3] - box[1] / 2
    ActionChains(browser).move_to_element_with_offset(svg, round(across), round(down)).perform()


def frame(svg):
    return [*map(float, svg.get_attribute("data-frame").split())]


def six(value):
    """As the script shows it: six significant digits."""
    return float(f"{value:.6g}")


def expect_value(said, name, log10):
    """Both forms, by Python's own formatting."""
    # A word of its own: "smooth input" ends in an h, too.
    shown = re.split(rf"\b{name} ", said, maxsplit=1)[1].split(")")[0]
    value, rounded = shown.split(" (log10 ")
    assert value == power_of_ten(log10)
    assert float(rounded) == six(log10)
