"""The page in a real browser: silent, alone, and saying the JSON's numbers."""

from __future__ import annotations

import pytest
from browser.browsing import console, expect_value, picture, readout, requested, screen
from render.reports import measured
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from rnndiag.render import Screen, renderer
from rnndiag.report import Report

NAMES = ["rnn", "lstm", "stack", "hostile", "several"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1200])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_silent_and_never_wider_than_the_screen(browser, opened, name, width, scheme):
    screen(browser, width, scheme)
    opened(name)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(", "))) > 384) == (scheme == "light")


REAL = (
    "dv-classifier__rnn.pt",
    "fin-bilstm-lightning__last.ckpt",
    "gtcrn__model_trained_on_dns3.tar",
)


@pytest.fixture(scope="module")
def real_page(shared, tmp_path_factory):
    """Three real files on one page: a small RNN, an LSTM with its optimizer, many GRU layers."""
    report = Report("report", {}, tuple(measured(shared / "checkpoints" / name) for name in REAL))
    page = tmp_path_factory.mktemp("real") / "real.html"
    page.write_text(renderer("html")(report, Screen()), encoding="utf-8")
    return page


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1200, "light"), (1200, "dark")])
def test_real_files_are_silent_and_fit(browser, real_page, width, scheme):
    console(browser), requested(browser)
    screen(browser, width, scheme)
    browser.get(real_page.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(CONTRASTS) == []
    assert (console(browser), requested(browser)) == ([], [real_page.as_uri()])


def test_the_drive_switch_chooses_what_is_drawn_and_said(browser, opened):
    (file,) = opened("rnn")
    trace = file["layers"][0]["trace"]
    svg = picture(browser, "curves")
    svg.send_keys(Keys.END)
    for place, drive in enumerate(trace["drives"]):
        label = browser.find_elements(By.CSS_SELECTOR, ".drives label")[place]
        label.click()
        group = svg.find_element(By.CSS_SELECTOR, f"[data-drive='{place}']")
        assert "chosen" in group.get_attribute("class").split()
        assert len(svg.find_elements(By.CSS_SELECTOR, ".chosen")) == 1
        shown = [g.is_displayed() for g in svg.find_elements(By.CSS_SELECTOR, ".band")]
        assert sum(shown) == 1
        assert f"{drive['drive']} input" in readout(svg)
        expect_value(readout(svg), "h", drive["log10_gradient_norm"][-1])


def test_the_drive_switch_works_from_the_keyboard(browser, opened):
    (file,) = opened("lstm")
    names = [drive["drive"] for drive in file["layers"][0]["trace"]["drives"]]
    chosen = browser.find_element(By.CSS_SELECTOR, ".drives input:checked")
    start = int(chosen.get_attribute("value"))
    chosen.send_keys(Keys.ARROW_RIGHT)
    picture(browser, "curves").send_keys(Keys.HOME)
    assert f"{names[(start + 1) % len(names)]} input" in readout(picture(browser, "curves"))


def test_the_layer_switch_shows_one_layer_or_all(browser, opened):
    (file,) = opened("stack")
    layers = browser.find_elements(By.CLASS_NAME, "layer")
    assert [layer.is_displayed() for layer in layers] == [True, False, False, False]
    choice = Select(browser.find_element(By.CSS_SELECTOR, "select.layers"))
    choice.select_by_index(2)
    assert [layer.is_displayed() for layer in layers] == [False, False, True, False]
    svg = picture(browser, "curves")
    svg.send_keys(Keys.END)
    drives = file["layers"][2]["trace"]["drives"]
    drive = next(d for d in drives if f"{d['drive']} input" in readout(svg))
    expect_value(readout(svg), "h", drive["log10_gradient_norm"][-1])
    choice.select_by_value("all")
    assert all(layer.is_displayed() for layer in layers)


def test_the_theme_button(browser, opened):
    opened("rnn")
    button = browser.find_element(By.ID, "theme")
    ground = "return getComputedStyle(document.body).backgroundColor"
    before = browser.execute_script(ground)
    assert button.text == "Dark"
    button.click()
    assert button.text == "Light"
    assert browser.execute_script(ground) != before
    button.click()
    assert browser.execute_script(ground) == before


def test_code_is_copied_or_selected(browser, opened):
    (file,) = opened("rnn")
    button = browser.find_element(By.CLASS_NAME, "copy")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    browser.execute_async_script("setTimeout(arguments[0], 200)")
    assert button.text in {"Copied", "Press Ctrl+C"}
    if button.text == "Press Ctrl+C":
        selected = browser.execute_script("return getSelection().toString()")
        assert selected.strip() == file["advice"]["snippets"]["torch"].strip()


def test_a_hostile_name_does_nothing(browser, opened):
    opened("hostile")
    assert browser.title.startswith("rnndiag report: </script><script>")
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 2


def test_everything_is_printed(browser, opened):
    opened("stack")
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert all(e.is_displayed() for e in browser.find_elements(By.CLASS_NAME, "layer"))
        assert all(e.is_displayed() for e in browser.find_elements(By.TAG_NAME, "table"))
        assert not any(e.is_displayed() for e in browser.find_elements(By.TAG_NAME, "button"))
        assert not any(e.is_displayed() for e in browser.find_elements(By.TAG_NAME, "select"))
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_it_can_be_read_without_its_script(browser, opened):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened("stack")
        assert all(e.is_displayed() for e in browser.find_elements(By.CLASS_NAME, "layer"))
        assert not browser.find_element(By.ID, "theme").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_links_of_the_overview_lead_to_the_files(browser, opened):
    opened("several")
    for place, link in enumerate(browser.find_elements(By.CSS_SELECTOR, "main > .scroll a")):
        assert browser.find_element(By.ID, f"file-{place}")
        assert link.get_attribute("href").endswith(f"#file-{place}")


def test_every_text_contrasts_with_its_ground(browser, opened):
    """WCAG 2.2, 1.4.3: at least 4.5, in both themes."""
    for scheme in ("light", "dark"):
        screen(browser, 1200, scheme)
        opened("several")
        assert browser.execute_script(CONTRASTS) == []


CONTRASTS = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const ground = (node) => {
  for (; node; node = node.parentElement) {
    const found = parse(getComputedStyle(node).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
const low = new Set();
for (const node of document.querySelectorAll("body *")) {
  const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim());
  if (!own || ["SCRIPT", "STYLE", "title", "desc"].includes(node.tagName)) continue;
  const style = getComputedStyle(node);
  const ink = parse(node instanceof SVGElement ? style.fill : style.color);
  const [a, b] = [light(ink), light(ground(node))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) low.add(node.tagName + "." + node.getAttribute("class"));
}
return [...low];
"""
