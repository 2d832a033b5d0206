"""The frontier, the table of the field, and what papers report."""

from __future__ import annotations

import pandas as pd
import pytest

from pibench.methods.contract import MethodInfo, Variant
from pibench.results.evidence import join
from pibench.results.field import field, reported
from pibench.results.frontier import Drawn, with_frontier
from pibench.results.headline import headline
from pibench.results.summary import summary
from pibench.testing.made_up import accuracy_record
from tests.test_tables import rows, study

Numbers = tuple[float | None, ...]


def test_rows_stand_by_the_frontier_and_beaten_ones_name_what_beats_them() -> None:
    made_up = [
        *study(),
        *(accuracy_record(task, "dear", "v", 58.0, architecture="dense") for task in ("rte", "sst2")),
        *(accuracy_record(task, "cheap", "v", 20.0, architecture="b") for task in ("rte", "sst2")),
        *(
            accuracy_record(task, "twin", "v", 58.0 if task == "rte" else 89.0, architecture=key)
            for task, key in (("rte", "a"), ("sst2", "b"))
        ),
        accuracy_record("rte", "part", "v", 60.0, architecture="b"),
    ]
    found = [(row["method"], row["frontier"]) for row in rows(headline(join(made_up)))]
    assert found == [
        ("dense", "yes"),
        ("ig3d", "yes"),
        ("twin", "yes"),
        ("cheap", "yes"),
        ("dense", "no: dense/exact"),
        ("dear", "no: dense/exact"),
        ("part", ""),
    ]


def test_what_fixed_point_loses_counts() -> None:
    made_up = study()
    for record in made_up:
        if record["kind"] == "accuracy" and record["engine"] == "lean":
            record["fixed"] = record["float"] - (
                40.0 if record["method"] == "ig3d" and record["task"] == "rte" else 0.0
            )
    row = summary(join(made_up).comparable, ["sst2", "rte"]).loc["ig3d/within"]
    assert (row["loss"], row["counted_loss"], row["megabytes"], row["rounds"]) == (1.5, 1.5 + 20.0, 2.5, 10.0)
    assert "ig3d/within on rte (seed 0): 58.0 in floats, 18.0 in fixed point." in headline(join(made_up)).notes


@pytest.mark.parametrize(
    ("own", "other", "frontier"),
    [
        ((1, 10, 5), (1, 10, 5), "yes"),
        ((1, 10, 5), (1, 9, 5), "no: other"),
        ((1, 10, 5), (0, 10, 6), "yes"),
        ((1, 10, 5), (0, 9, 4), "no: other"),
        ((1, 10, 5), (0, 9, None), "yes"),
        ((1, None, 5), (0, 9, 4), None),
    ],
)
def test_a_row_is_beaten_by_what_is_no_worse_anywhere(own: Numbers, other: Numbers, frontier: str | None) -> None:
    rows = pd.DataFrame([own, other], ["own", "other"], ["loss", "megabytes", "rounds"], dtype=float)
    nothing = Drawn(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    found = with_frontier(rows.assign(loss_fixed=float("nan"), is_emulated=False), nothing)["frontier"]["own"]
    assert found == frontier if frontier else pd.isna(found)


def test_the_field_by_hand() -> None:
    found = {(row["method"], row["variant"]): row for row in rows(field(join(study())))}
    dense, ig3d = found["dense", "exact"], found["ig3d", "within"]
    assert (ig3d["loss"], ig3d["average"], ig3d["megabytes"], ig3d["rounds"]) == ("1.5", "73.5", "2.5", "10")
    assert float(ig3d["seconds_loopback"]) == pytest.approx((1.5 + 1.0) / 2)
    assert (dense["mpc"], dense["fixed"]) == ("", "74.5")  # one task alone ran under MPC
    assert ig3d["security"] == "semi-honest, 2 parties"
    assert ig3d["frontier"] == "yes" and found["dense", "exact on crypten"]["frontier"] == "no: dense/exact"


def test_reported_numbers_stand_beside_measured_ones_once_a_method() -> None:
    info = MethodInfo("ig3d", "1", "s", "A & B 2026", "@x{}", (Variant("within"),), {"latency": "2.9x; no setting"})
    made_up = [*study(), accuracy_record("rte", "ig3d", "zero", 50.0, architecture="a")]
    first, second = rows(reported(join(made_up), {"ig3d": info, "dense": info}))[2:]
    assert (first["method"], first["reported_latency"], first["reported_accuracy"]) == ("ig3d", "2.9x; no setting", "")
    assert (first["variant"], first["loss"]) == ("within", "1.5")
    assert (second["method"], second["paper"], second["variant"]) == ("", "", "zero")


def test_a_method_without_reported_numbers_has_no_row() -> None:
    info = MethodInfo("ig3d", "1", "s", "A & B 2026", "@x{}", (Variant("within"),))
    assert rows(reported(join(study()), {"ig3d": info})) == []


def test_seeds_that_did_not_run_under_mpc_leave_its_mean_alone() -> None:
    made_up = study()
    (row,) = (row for row in rows(field(join(made_up))) if (row["method"], row["variant"]) == ("dense", "exact"))
    assert row["mpc"] == ""  # rte has no seed under MPC
    for record in made_up:
        if record["kind"] == "accuracy" and record["task"] == "rte":
            record |= {"mpc": 50.0, "n_mpc": 10, "mpc_check": made_up[1]["mpc_check"]}
    (row,) = (row for row in rows(field(join(made_up))) if (row["method"], row["variant"]) == ("dense", "exact"))
    assert (row["mpc"], row["n_mpc"]) == ("60", "20")
