"""Debian's Chromium without a window, driven by Selenium; and what a page did in it."""

from __future__ import annotations

import json
import shutil

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


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
    sent = [m for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [message["params"]["request"]["url"] for message in sent]


def screen(driver: webdriver.Chrome, width: int, scheme: str = "light", height: int = 900) -> None:
    """Look at pages with this width and colour scheme."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
