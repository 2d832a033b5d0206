"""The report, as a reader's browser shows it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pibench.results import page
from pibench.results.choice import choice as choice_table
from pibench.results.evidence import join
from pibench.results.headline import headline
from pibench.results.records import file_name, read_all
from pibench.results.tables import all_tables, with_claims
from tests.test_tables import rows as csv_rows
from tests.test_tables import study

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "results" / "v1" / "records"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert page.main(["--records", str(RECORDS), "--output", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs Debian's packages chromium and chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(option)
    options.binary_location = str(shutil.which("chromium"))
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(shutil.which("chromedriver"))))
    driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})  # no other window takes it
    yield driver
    driver.quit()


@pytest.fixture
def shown(browser: Any, report: Path) -> Any:
    browser.get(report.as_uri())
    return browser


def column(browser: Any, index: int) -> list[str]:
    rows = browser.find_elements("css selector", "#t-glue tbody tr")
    return [row.find_elements("css selector", "td")[index].text for row in rows if row.is_displayed()]


def test_it_needs_nothing_from_elsewhere(report: Path) -> None:
    text = report.read_text()
    assert "<link" not in text and "src=" not in text and "@import" not in text
    assert "<!-- " not in text.split("</style>")[0]


def test_every_row_of_the_headline_is_there_with_its_records(report: Path) -> None:
    text, records = report.read_text(), read_all(RECORDS)
    found = join(records)
    assert all(row.replace("'", "&#39;") in text for row in found.rows.index)
    for cell in headline(found).rows[0][2:8]:
        assert f'data-value="{cell}"' in text
    assert all(record["environment"]["commit"][:12] in text for record in found.records)
    assert all(file_name(record) in text for record in records)


def test_made_up_text_stays_text() -> None:
    made_up = [record | ({"method": "<b>bold"} if record.get("method") == "ig3d" else {}) for record in study()]
    text = page.page(made_up, all_tables(made_up))
    assert "<b>bold" not in text and "&lt;b&gt;bold" in text


def test_headings_sort_and_say_so(shown: Any) -> None:
    heading = shown.find_elements("css selector", "#t-glue thead th")[9]
    assert heading.text == "MB"
    for direction in ("ascending", "descending"):
        heading.find_element("tag name", "button").click()
        assert heading.get_attribute("aria-sort") == direction
        sizes = [float(text) for text in column(shown, 9) if text != "–"]
        assert sizes == sorted(sizes, reverse=direction == "descending")
        assert len(sizes) > 10


def test_the_field_filters_and_counts(shown: Any) -> None:
    shown.find_element("css selector", "[data-filters=t-glue]").send_keys("IG3D yes")
    assert column(shown, 0) == ["ig3d", "ig3d"]
    assert shown.find_element("id", "count-glue").text.startswith("2 of ")


def test_the_chooser_answers_from_the_measurements(shown: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    choice = shown.find_element("id", "choice")
    wan = {row["budget"]: row["wan"] for row in csv_rows(choice_table(join(read_all(RECORDS))))}
    budget = shown.find_element("id", "budget")
    for points, named in wan.items():
        budget.clear()
        budget.send_keys(points)
        assert choice.text.split(":")[0] == named.split(" (")[0]
    budget.clear()
    budget.send_keys("7", Keys.BACKSPACE)
    assert choice.text == "Give a number of points."
    budget.send_keys("-50")
    assert choice.text == "No method that was measured loses so little."


def test_marks_can_be_read_without_a_mouse_and_the_axis_changes(shown: Any) -> None:
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    assert len(shown.find_elements("css selector", "#chart g[tabindex='0']")) > 10
    axis = shown.find_element("id", "axis")
    axis.send_keys(Keys.TAB)
    told = shown.switch_to.active_element.get_attribute("aria-label")
    assert "points" in told and shown.find_element("id", "detail").text == told
    Select(axis).select_by_value("wan")
    assert "WAN" in shown.find_element("id", "chart").text


def test_what_is_filled_is_beaten_by_nothing_on_the_axis_shown(shown: Any) -> None:
    from selenium.webdriver.support.ui import Select

    points = json.loads(shown.find_element("id", "points").get_attribute("textContent"))
    for key in ("megabytes", "cheetah"):
        Select(shown.find_element("id", "axis")).select_by_value(key)
        filled = [one.get_attribute("aria-label") for one in shown.find_elements("css selector", "#chart .frontier")]
        measured = [point for point in points if point[key] is not None and point["loss"] < 8]
        best = {
            one["name"]
            for one in measured
            if not any(
                (other["loss"], other[key]) != (one["loss"], one[key])
                and other["loss"] <= one["loss"]
                and other[key] <= one[key]
                for other in measured
            )
        }
        assert {label.split(":")[0] for label in filled} == best


def test_latex_is_copied_or_shown_for_copying(shown: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    button = shown.find_element("css selector", "[data-copies=tex-glue]")
    button.click()
    assert WebDriverWait(shown, 10, 0.1).until(lambda _: button.text in ("Copied", "Press Ctrl-C"))
    area = shown.find_element("id", "tex-glue")
    assert "\\toprule" in area.get_attribute("value")


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_screen(shown: Any, width: int, tmp_path: Path) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    shown.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert shown.execute_script("return document.documentElement.scrollWidth") <= width
    assert shown.save_screenshot(str(tmp_path / "page.png"))
    shown.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_claims_stand_on_the_page_where_there_are_some(report: Path) -> None:
    assert with_claims([], ROOT / "no such file") == []
    assert "table-claims" in report.read_text()
