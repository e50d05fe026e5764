"""The report in a real browser, from a file, without network: what a reader sees and can do."""

import json
import os
import shutil

import numpy as np
import pytest
from crafted import MINI, metrics, write_confusion, write_csv, write_predictions, write_run

from mlptrain.commands.report import report
from mlptrain.data.mini import load_mini
from mlptrain.history import column_keys

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER),
        reason="needs chromium and chromedriver on the PATH (Debian: chromium, chromium-driver)",
    ),
]
NARROW = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
COMMAND = ("optimizer=rmsprop", "model.dropout=0.0,0.1,0.2,0.3,0.4,0.5,0.6,0.7", "seed=1,2,3")
EVIL = "<img src=x onerror=document.title='owned'>"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of eight configurations with three seeds, a failed run and a folder with a mean name.

    Seven curves: one more than are shown at first, and the eighth has no history.
    """
    root = tmp_path_factory.mktemp("browser")
    runs, labels = root / "runs", load_mini().test_labels
    for number in range(8):
        for seed in (1, 2, 3):
            val = 0.3 + number / 100 + seed / 1_000
            folder = write_run(
                runs / f"run-{number}-{seed}",
                f"model.dropout={number / 10}",
                f"seed={seed}",
                data=MINI,
                command=["mlptrain", "-m", *COMMAND],
                figures=metrics(val=val, test=0.6 - val),
            )
            if number:
                rows = [[n, 1, 0.5, 1 / n, val - 0.1 / n, 0.001, 1] for n in range(1, 11)]
                write_csv(folder / "history.csv", [column_keys(), *rows])
            write_confusion(folder, np.eye(10, dtype=int).tolist())
            write_predictions(folder, np.full((500, 10), 0.1), labels)
    write_run(runs / "failed", "seed=9", status="failed", reason=EVIL)
    report([runs], root / "report.html", None, "model.dropout=0.1")
    return root / "report.html"


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to run as root with it
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # With both paths given, Selenium's manager is not asked, which would download them.
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(30)
    yield driver
    driver.quit()


def open_page(browser, page, dark=False, phone=False):
    """Open it anew and wait for its curves."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    if phone:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", NARROW)
    else:
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 1280, "height": 1000, "deviceScaleFactor": 1, "mobile": False},
        )
    browser.get(page.as_uri())
    wait_for(browser, "return !!document.querySelector('#curves-0 svg')")


def wait_for(browser, script, *arguments):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 20, 0.05).until(
        lambda driver: driver.execute_script(script, *arguments)
    )


def find(browser, selector):
    return browser.find_element("css selector", selector)


def click(browser, element):
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def column(browser, number):
    """The visible cells of a column of the leaderboard."""
    return browser.execute_script(
        "return [...document.querySelectorAll('#board-0 tbody tr')].filter((row) => !row.hidden)"
        ".map((row) => row.cells[arguments[0]].textContent.trim())",
        number,
    )


def lines(browser):
    """The curves that are drawn, as what their paths say."""
    return browser.execute_script(
        "return [...document.querySelectorAll('#curves-0 .line')]"
        ".map((path) => path.getAttribute('d'))"
    )


def test_it_opens_without_a_request_or_a_complaint(browser, page):
    browser.get_log("performance"), browser.get_log("browser")
    open_page(browser, page)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert {url for url in requested if not url.startswith("data:")} == {page.as_uri()}
    assert browser.get_log("browser") == []
    assert find(browser, ".verdict li").text.startswith("dropout 0.7 is highest on validation")
    assert browser.title == "runs: comparison of model.dropout · mlptrain report"
    assert EVIL in find(browser, "#others").text


def test_nothing_can_be_loaded_even_if_a_script_tried(browser, page):
    open_page(browser, page)
    blocked = browser.execute_async_script(
        "const done = arguments[0]; fetch('https://localhost:9/').then(() => done(false), "
        "() => done(true))"
    )
    assert blocked
    assert "Content Security Policy" in json.dumps(browser.get_log("browser"))


def test_a_header_button_sorts_and_says_so(browser, page):
    open_page(browser, page)
    before = column(browser, 1)
    assert before == sorted(before, reverse=True)
    header = find(browser, "#board-0 thead th:nth-child(2)")
    assert header.get_attribute("aria-sort") == "descending"
    click(browser, header.find_element("tag name", "button"))
    assert column(browser, 1) == before[::-1]
    assert header.get_attribute("aria-sort") == "ascending"


def test_the_keyboard_sorts_too(browser, page):
    from selenium.webdriver.common.keys import Keys

    open_page(browser, page)
    button = find(browser, "#board-0 thead th:nth-child(1) button")
    browser.execute_script("arguments[0].focus()", button)
    button.send_keys(Keys.ENTER)
    assert column(browser, 0) == [f"dropout 0.{n}" for n in range(8)]
    style = "return getComputedStyle(document.activeElement).outlineStyle"
    assert browser.execute_script(style) == "solid"
    headers = browser.find_elements("css selector", "#board-0 th[aria-sort]:not([aria-sort=none])")
    assert len(headers) == 1


def test_text_filters_rows(browser, page):
    open_page(browser, page)
    box = find(browser, "input[data-filters='board-0']")
    box.send_keys("DROPOUT 0.3")
    assert column(browser, 0) == ["dropout 0.3"]
    assert find(browser, "output[for='filter-board-0']").text == "1 of 8"
    box.clear()
    box.send_keys(" ")
    assert len(column(browser, 0)) == 8


def test_of_many_runs_the_first_are_shown_until_all_are_requested(browser, tmp_path):
    for seed in range(1, 306):
        write_run(tmp_path / "runs" / str(seed), f"seed={seed}", figures=metrics(val=seed / 1_000))
    report([tmp_path / "runs"], tmp_path / "report.html", None, None)
    browser.get((tmp_path / "report.html").as_uri())

    def rows():
        script = "return [...document.querySelectorAll('#all-runs tbody tr')].map("
        return browser.execute_script(f"{script}(row) => row.offsetHeight > 0)")

    assert rows() == [True] * 300 + [False] * 5
    tools = "#runs .tools"
    assert find(browser, f"{tools} output").text == "305 rows, the first 300 shown"
    click(browser, find(browser, "#all-runs th:nth-child(2) button"))  # others come first
    assert rows() == [True] * 300 + [False] * 5
    find(browser, f"{tools} input").send_keys("finished")
    assert find(browser, f"{tools} output").text == "305 of 305, the first 300 shown"
    find(browser, f"{tools} input").send_keys(" nowhere")
    assert not any(rows())
    find(browser, f"{tools} input").clear()
    find(browser, f"{tools} input").send_keys(" ")
    click(browser, find(browser, f"{tools} button"))
    assert rows() == [True] * 305
    assert find(browser, f"{tools} output").text == "305 rows"


def test_the_legend_switches_curves_off_and_on(browser, page):
    open_page(browser, page)
    buttons = browser.find_elements("css selector", ".legend button")
    assert (len(buttons), len(lines(browser))) == (7, 6)
    first = buttons[0]
    click(browser, first)
    wait_for(browser, "return document.querySelectorAll('#curves-0 .line').length === 5")
    assert first.get_attribute("aria-pressed") == "false"
    click(browser, first)
    wait_for(browser, "return document.querySelectorAll('#curves-0 .line').length === 6")
    assert first.get_attribute("aria-pressed") == "true"
    click(browser, find(browser, "button[data-most='1000']"))
    wait_for(browser, "return document.querySelectorAll('#curves-0 .line').length === 7")


def test_another_metric_draws_other_curves(browser, page):
    open_page(browser, page)
    before = lines(browser)
    browser.execute_script(
        "const list = document.querySelector('#metric-curves-0'); list.value = 'val_loss';"
        "list.dispatchEvent(new Event('change'))"
    )
    wait_for(
        browser,
        "return document.querySelector('#curves-0 .line').getAttribute('d') !== arguments[0]",
        before[0],
    )


@pytest.mark.parametrize(("chart", "says"), [("curves-0", "epoch"), ("intervals-0", "validation")])
def test_pointing_at_a_chart_reads_it(browser, page, chart, says):
    from selenium.webdriver.common.action_chains import ActionChains

    open_page(browser, page)
    place = ".line" if chart == "curves-0" else "circle"
    mark = find(browser, f"#{chart} {place}")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
    ActionChains(browser).move_to_element(mark).perform()
    wait_for(browser, "return !!document.querySelector('#tooltip:not([hidden])')")
    text = find(browser, "#tooltip").text
    assert says in text
    assert "dropout 0." in text


def test_dark_mode_turns_everything_and_text_stays_readable(browser, page):
    colors = (
        "const of = (selector, key) => getComputedStyle(document.querySelector(selector))[key];"
        "return [of('body', 'backgroundColor'), of('body', 'color'),"
        " of('#curves-0 .axis text', 'fill'),"
        " of('#intervals-0 .axis text', 'fill'), of('#board-0 td', 'color')]"
    )
    open_page(browser, page)
    light = browser.execute_script(colors)
    open_page(browser, page, dark=True)
    dark = browser.execute_script(colors)
    for paper, *inks in (light, dark):
        assert all(contrast(paper, ink) >= 4.5 for ink in inks)
    assert luminance(light[0]) > 0.8 > 0.1 > luminance(dark[0])


def luminance(color):
    """Of an `rgb(…)`, as WCAG 2 defines it."""
    channels = np.array([int(n) for n in color[4:-1].split(",")][:3]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(first, second):
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_intervals_are_drawn_to_scale(browser, page):
    open_page(browser, page)
    at = (
        "return [...document.querySelectorAll('#intervals-0 circle')]"
        ".map((mark) => mark.getBoundingClientRect().x)"
    )
    places = browser.execute_script(at)
    steps = np.diff(places)
    assert len(places) == 8
    assert np.allclose(steps, steps.mean(), atol=1.0)  # a point of accuracy between each two
    assert steps.mean() < -20  # pixels; the best is at the right


def test_on_a_phone_only_tables_scroll_sideways(browser, page):
    open_page(browser, page, phone=True)
    wide = browser.execute_script(
        "for (const part of document.querySelectorAll('details')) part.open = true;"
        "const page = document.documentElement; return [page.scrollWidth, innerWidth]"
    )
    assert wide == [390, 390]
    table = "const box = document.querySelector('#board-0').parentElement;"
    assert browser.execute_script(f"{table} return box.scrollWidth > box.clientWidth")
    font = "return parseFloat(getComputedStyle(document.querySelector('.verdict li')).fontSize)"
    assert browser.execute_script(font) >= 16


@pytest.mark.parametrize("table", ["board-0", "all-runs"])
def test_on_a_phone_validation_is_in_sight_and_names_stay_there(browser, page, table):
    open_page(browser, page, phone=True)
    edges = (
        "const table = document.getElementById(arguments[0]);"
        "table.parentElement.scrollLeft = arguments[1];"
        "const row = table.tBodies[0].rows[0];"
        "return [0, 1].map((n) => row.cells[n].getBoundingClientRect())"
        ".flatMap(({left, right}) => [left, right])"
    )
    first_x, _, _, validation_ends = browser.execute_script(edges, table, 0)
    assert first_x >= 0
    assert validation_ends <= 390
    assert browser.execute_script(edges, table, 10_000)[0] == first_x


def test_on_a_phone_commands_break_between_words_only(browser, page):
    open_page(browser, page, phone=True)
    broken = browser.execute_script(
        "for (const part of document.querySelectorAll('details')) part.open = true;"
        "const broken = [], range = document.createRange();"
        "const commands = document.querySelectorAll('.command');"
        "for (const command of commands) {"
        "  const texts = document.createTreeWalker(command, NodeFilter.SHOW_TEXT);"
        "  while (texts.nextNode()) {"
        "    const node = texts.currentNode;"
        "    for (const word of node.data.matchAll(/[^ ,/-]+/g)) {"
        "      range.setStart(node, word.index);"
        "      range.setEnd(node, word.index + word[0].length);"
        "      if (range.getClientRects().length > 1) broken.push(word[0]);"
        "    }"
        "  }"
        "}"
        "return [commands.length, broken]"
    )
    assert broken == [9, []]


def test_pictures_are_shown_and_folds_open_on_paper(browser, page):
    open_page(browser, page)
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('.pictures img')].map((i) => [i.complete,"
        " i.naturalWidth, Math.round(i.clientWidth / i.clientHeight)])"
    )
    assert sizes == [[True, 32, 1]] * 24
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = false")
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script("return !document.querySelector('details:not([open])')")
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script("return !document.querySelector('details[open]')")
    assert len(browser.execute_cdp_cmd("Page.printToPDF", {})["data"]) > 10_000
