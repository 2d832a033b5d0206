"""The report, as a reader's browser shows it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pibench.errors import InputError
from pibench.results import charts, page
from pibench.results.choice import choice as choice_table
from pibench.results.evidence import join
from pibench.results.field import field
from pibench.results.headline import headline
from pibench.results.page_data import AXES, page_data
from pibench.results.records import Record, file_name, read_all
from pibench.results.tables import all_tables, with_claims
from pibench.testing.made_up import accuracy_record, cost_record
from tests.test_tables import rows as csv_rows

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "results" / "v1" / "records"
DRAWN = """
return [...document.querySelectorAll(arguments[0])].map((mark) => {
  const item = mark.__data__, box = mark.getBoundingClientRect();
  return {...item.datum, x: item.x, y: item.y, width: item.width, fill: item.fill, text: item.text,
          opacity: item.opacity, box: [box.left, box.top, box.right, box.bottom]};
});
"""
"""A script that returns what Vega drew for a selector: the datum of each mark, and where and how it stands."""


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return read_all(RECORDS)


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
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = str(shutil.which("chromium"))
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(shutil.which("chromedriver"))))
    driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})  # no other window takes it
    yield driver
    driver.quit()


@pytest.fixture
def shown(browser: Any, report: Path) -> Any:
    browser.get(report.as_uri())
    wait(browser, lambda: all(chart.text for chart in browser.find_elements("css selector", "[id^=chart-]")))
    return browser


def wait(browser: Any, condition: Callable[[], Any]) -> Any:
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 20, 0.1).until(lambda _: condition())


def choose_axis(browser: Any, key: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(browser.find_element("id", "axis")).select_by_value(key)
    wait(browser, lambda: AXES[key][0] in browser.find_element("id", "chart-frontier").text)


def column(browser: Any, index: int) -> list[str]:
    rows = browser.find_elements("css selector", "#t-glue tbody tr")
    return [row.find_elements("css selector", "td")[index].text for row in rows if row.is_displayed()]


def made_up_points(**more: Any) -> pd.DataFrame:
    points = pd.DataFrame({"name": ["a", "b", "c", "d"], "seeds": 2, "loss": [0.0, 1.0, 1.0, 30.0]})
    others = [frozenset(points["name"][points["loss"] != loss]) for loss in points["loss"]]
    points = points.assign(low=np.nan, high=np.nan, apart=others)
    return points.assign(**(dict.fromkeys(AXES) | {"megabytes": [4.0, 1.0, 2.0, 1.5], "rounds": 7} | more))


def test_it_fetches_nothing(shown: Any) -> None:
    assert shown.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)") == []
    assert shown.get_log("browser") == []
    shown.execute_script("return fetch('https://example.org').catch(() => null)")
    assert "Content Security Policy" in shown.get_log("browser")[0]["message"]


def test_every_row_of_the_headline_is_there_with_its_records(report: Path, records: list[Record]) -> None:
    text, found = report.read_text(), join(records)
    assert all(row.replace("'", "&#39;") in text for row in found.rows.index)
    for cell in headline(found).rows[0][2:8]:
        assert f'data-value="{cell}"' in text
    assert all(record["environment"]["commit"][:12] in text for record in found.records)
    assert all(file_name(record) in text for record in records)


def test_made_up_text_stays_text() -> None:
    made_up = [
        accuracy_record("rte", "dense", "exact", 60.0),
        accuracy_record("rte", "</script><b>bold|x", "fair", 58.0),
        cost_record("dense", [4_000_000] * 2, [4.0, 4.0]),
    ]
    text = page.page(made_up, all_tables(made_up))
    assert "<b>bold" not in text and "\\u003cb\\u003ebold" in text
    assert "&lt;b&gt;bold|x</td>" in text  # escaped once, and not for Markdown as well


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(InputError, match=r"the report needs vl_convert: run `pip install 'pibench\[report\]'`"):
        page.page([], [])


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


def test_the_chooser_answers_from_the_measurements(shown: Any, records: list[Record]) -> None:
    from selenium.webdriver.common.keys import Keys

    choice = shown.find_element("id", "choice")
    wan = {row["budget"]: row["wan"] for row in csv_rows(choice_table(join(records)))}
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


def test_the_frontier_shows_the_numbers_of_the_table(shown: Any, records: list[Record]) -> None:
    rows = {f"{row['method']}/{row['variant']}": row for row in csv_rows(field(join(records))) if row["megabytes"]}
    for key, cost in (("megabytes", "megabytes"), ("wan", "seconds_wan")):
        choose_axis(shown, key)
        marks = {mark["name"]: mark for mark in shown.execute_script(DRAWN, "#chart-frontier .points_marks path")}
        assert len(marks) > 10
        for name, mark in marks.items():
            losses = [float(rows[name][loss]) for loss in ("loss", "loss_fixed") if rows[name][loss]]
            assert (mark["cost"], mark["loss"]) == pytest.approx((float(rows[name][cost]), max(losses)))
        drawn = pd.DataFrame(marks.values())
        assert drawn["x"].corr(np.log(drawn["cost"])) == pytest.approx(1)
        within = drawn[drawn["loss"] < 4]
        assert within["y"].corr(within["loss"]) == pytest.approx(-1)


def test_what_is_filled_is_beaten_by_nothing_on_the_axis_shown(shown: Any, records: list[Record]) -> None:
    points = page_data(records).points
    for key in ("megabytes", "spu-cheetah"):
        choose_axis(shown, key)
        marks = shown.execute_script(DRAWN, "#chart-frontier .points_marks path")
        measured = points[points[key].notna()].to_dict("records")
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
        assert {mark["name"] for mark in marks} == {one["name"] for one in measured}
        assert {mark["name"] for mark in marks if mark["fill"] != "transparent"} == best


@pytest.mark.parametrize("key", ["megabytes", "loopback", "spu-semi2k"])
def test_names_cover_neither_marks_nor_names(shown: Any, key: str) -> None:
    choose_axis(shown, key)
    names = [one for one in shown.execute_script(DRAWN, "#chart-frontier .names_marks text") if one["opacity"]]
    marks = shown.execute_script(DRAWN, "#chart-frontier .points_marks path")
    assert len(names) > 2
    for name in names:
        left, top, right, bottom = name["box"]
        middles = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (one["box"] for one in marks)]
        assert not any(left < x < right and top < y < bottom for x, y in middles)
        others = [other["box"] for other in names if other is not name]
        assert not any(box[0] < (left + right) / 2 < box[2] and box[1] < (top + bottom) / 2 < box[3] for box in others)


def test_marks_can_be_read_without_a_mouse_on_every_axis(shown: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    for key in ("megabytes", "wan"):
        choose_axis(shown, key)
        marks = shown.find_elements("css selector", "#chart-frontier .points_marks path")
        wait(shown, lambda marks=marks: all(mark.get_attribute("tabindex") == "0" for mark in marks))
        shown.find_element("id", "axis").send_keys(Keys.TAB)
        told = shown.switch_to.active_element.get_attribute("aria-label")
        assert "loses" in told and shown.find_element("id", "detail").text == told


def test_a_mark_has_a_tooltip(shown: Any) -> None:
    from selenium.webdriver import ActionChains

    mark = shown.find_element("css selector", "#chart-frontier .points_marks path")
    ActionChains(shown).move_to_element(mark).perform()
    tooltip = wait(shown, lambda: shown.find_element("id", "vg-tooltip-element").text)
    assert mark.get_attribute("aria-label").split(":")[0] in tooltip


def test_the_bars_add_up_to_the_table_s_megabytes(shown: Any, records: list[Record]) -> None:
    parts = pd.DataFrame(shown.execute_script(DRAWN, "#chart-bytes .mark-rect path"))
    total = {f"{row['method']}/{row['variant']}": row["megabytes"] for row in csv_rows(headline(join(records)))}
    for name, part in parts.groupby("name"):
        assert part["megabytes"].sum() == pytest.approx(float(total[name]))
    assert len(parts) > 50
    scale = (parts["width"] / parts["megabytes"])[parts["megabytes"] > 0]
    assert scale.to_numpy() == pytest.approx(scale.iloc[0])


def test_heat_maps_show_every_head(shown: Any, records: list[Record]) -> None:
    studies = {record["name"]: record["rows"] for record in records if record["kind"] == "study"}
    for index, row in enumerate(studies["importance"]):
        cells = shown.execute_script(DRAWN, f"#chart-importance-{index} .mark-text.role-mark text")
        largest = max(map(abs, row["heads"]))
        assert [cell["percent"] for cell in cells] == pytest.approx([100 * head / largest for head in row["heads"]])
        assert [cell["text"] for cell in cells] == [f"{cell['percent']:.0f}" for cell in cells]
    first = next(row for row in studies["language"] if row["entropies"])
    cells = shown.execute_script(DRAWN, "#chart-entropies-0 .mark-text.role-mark text")
    percents = [100 * head for layer in first["entropies"] for head in layer]
    assert [cell["percent"] for cell in cells] == pytest.approx(percents)


def test_intervals_are_drawn_where_there_are_some(browser: Any, report: Path) -> None:
    plain = charts.frontier(charts.by_axis(made_up_points()))
    ranged = charts.frontier(charts.by_axis(made_up_points(low=[-0.5, 0.8, 0.9, 20.0], high=[0.5, 1.4, 1.2, 40.0])))
    assert not [layer for layer in plain["layer"] if layer["mark"]["type"] == "errorbar"]
    browser.get(report.as_uri())
    script = "const done = arguments[1]; vegaEmbed('#chart-bytes', arguments[0]).then(() => done(''), done)"
    assert browser.execute_async_script(script, ranged) == ""
    bars = browser.execute_script(DRAWN, "#chart-bytes .mark-rule.role-mark line")
    assert sorted((bar["low"], bar["high"]) for bar in bars) == [(-0.5, 0.5), (0.8, 1.4), (0.9, 1.2), (20.0, 40.0)]
    names = browser.execute_script(DRAWN, "#chart-bytes .names_marks text")
    assert {name["text"] for name in names if name["opacity"]} == {"a", "b"}


def test_rows_are_placed_on_each_axis() -> None:
    found = charts.by_axis(made_up_points()).set_index(["axis", "name"])
    places = found.loc["megabytes", "place"].to_dict()
    assert places == {"a": "on the frontier", "b": "on the frontier", "c": "behind b", "d": "behind b"}
    assert found.loc[("megabytes", "d"), "standing"] == charts.STANDINGS[2]
    assert found.loc[("rounds", "b"), "sentence"] == "b: loses 1.00 points; 1.0 MB in 7 rounds; 2 seeds; behind a."
    assert set(found.index.get_level_values("axis")) == {"megabytes", "rounds"}
    ties = charts.by_axis(made_up_points(apart=[frozenset()] * 4)).set_index(["axis", "name"])
    assert ties.loc["megabytes", "place"].to_dict() == dict.fromkeys("acd", "behind b") | {"b": "on the frontier"}


def test_latex_is_copied_or_shown_for_copying(shown: Any) -> None:
    button = shown.find_element("css selector", "[data-copies=tex-glue]")
    button.click()
    assert wait(shown, lambda: button.text in ("Copied", "Press Ctrl-C"))
    area = shown.find_element("id", "tex-glue")
    assert "\\toprule" in area.get_attribute("value")


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_screen(shown: Any, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    shown.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    edges = "return [...document.querySelectorAll('.chart svg')].map((one) => one.getBoundingClientRect().right)"
    wait(shown, lambda: max(shown.execute_script(edges)) <= width)
    assert shown.execute_script("return document.documentElement.scrollWidth") <= width
    shown.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_without_javascript_the_numbers_stay(browser: Any, report: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(report.as_uri())
    for name in ("frontier", "bytes", "importance", "entropies"):
        browser.find_element("css selector", f"#table-numbers-{name} summary").click()
        rows = browser.find_elements("css selector", f"#t-numbers-{name} tbody tr")
        assert len(rows) > 10 and rows[0].text
    assert "need JavaScript" in browser.find_element("tag name", "header").text
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_claims_stand_on_the_page_where_there_are_some(report: Path) -> None:
    assert with_claims([], ROOT / "no such file") == []
    assert "table-claims" in report.read_text()
