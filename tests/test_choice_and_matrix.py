"""Which method to take within a budget, and what the matrix lacks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pibench.methods.contract import MethodInfo, Variant
from pibench.results.charts import by_axis, frontier
from pibench.results.choice import choice
from pibench.results.evidence import Evidence, join
from pibench.results.field import field, reported
from pibench.results.headline import headline
from pibench.results.matrix import matrix
from pibench.results.page import page
from pibench.results.page_data import page_data
from pibench.results.records import Record
from pibench.results.render import Table
from tests.test_tables import rows, study

INFO = MethodInfo("ig3d", "1", "s", "A 2026", "@x{}", (Variant("within"),), {"latency": "2.9x"})


def test_the_choice_is_the_cheapest_method_within_each_budget() -> None:
    found = {row["budget"]: row for row in rows(choice(join(study())))}
    assert found["0"]["megabytes"].startswith("dense/exact (8")
    cheap = found["2.3"]["megabytes"]
    assert cheap.startswith("ig3d/within (") and cheap.endswith("1 seed)")


def guessing() -> list[Record]:
    """Return a study in which no dense model learned anything, and a method that guesses half a point better."""
    found = study()
    for record in found:
        if record["kind"] == "accuracy":
            record["float"] = record["fixed"] = 50.5 if record["method"] == "ig3d" else 50.0
    return found


def test_nothing_is_recommended_where_the_dense_model_guesses() -> None:
    table = choice(join(guessing()))
    assert {row[key] for row in rows(table) for key in row if key != "budget"} == {""}
    assert table.notes[0] == (
        "No task is informative: on none do the data tell dense/exact from always answering the most frequent class, "
        "so no loss is counted and no method is recommended."
    )


@pytest.mark.parametrize("build", [headline, field, lambda evidence: reported(evidence, {"ig3d": INFO})])
def test_no_table_counts_a_loss_where_the_dense_model_guesses(build: Callable[[Evidence], Table]) -> None:
    found = rows(build(join(guessing())))
    assert found and {row[key] for row in found for key in ("loss", "loss_fixed", "frontier") if key in row} == {""}
    assert {row["reduction"] for row in found if row["variant"] == "exact"} <= {"0"}  # costs stay


def test_the_page_recommends_nothing_where_the_dense_model_guesses() -> None:
    data = page_data(guessing())
    assert data.points.empty and "no method is recommended" in data.seeds_note
    assert frontier(by_axis(data.points))["data"]["values"] == []
    assert "no method is recommended" in page(guessing(), [])


def test_what_is_missing_from_the_matrix_is_named() -> None:
    found = {(row["method"], row["variant"]): row for row in rows(matrix(join(study())))}
    dense, ig3d = found["dense", "exact"], found["ig3d", "within"]
    assert (dense["sst2"], dense["rte"], dense["missing"]) == ("all", "seed 1, 2 missing", "2")
    assert (ig3d["wnli"], ig3d["missing"]) == ("missing", "3")
    assert float(ig3d["hours"]) == pytest.approx(2 * 12.5 / 3600)
