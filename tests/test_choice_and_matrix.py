"""Which method to take within a budget, and what the matrix lacks."""

from __future__ import annotations

import pytest

from pibench.results.choice import choice
from pibench.results.evidence import join
from pibench.results.matrix import matrix
from tests.test_tables import rows, study


def test_the_choice_is_the_cheapest_method_within_each_budget() -> None:
    found = {row["budget"]: row for row in rows(choice(join(study())))}
    assert found["0"]["megabytes"].startswith("dense/exact (8")
    cheap = found["2.3"]["megabytes"]
    assert cheap.startswith("ig3d/within (") and cheap.endswith("1 seed)")


def test_what_is_missing_from_the_matrix_is_named() -> None:
    found = {(row["method"], row["variant"]): row for row in rows(matrix(join(study())))}
    dense, ig3d = found["dense", "exact"], found["ig3d", "within"]
    assert (dense["sst2"], dense["rte"], dense["missing"]) == ("all", "seed 1, 2 missing", "2")
    assert (ig3d["wnli"], ig3d["missing"]) == ("missing", "3")
    assert float(ig3d["hours"]) == pytest.approx(2 * 12.5 / 3600)
