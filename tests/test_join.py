"""Which records belong together."""

from __future__ import annotations

from typing import Any

import pytest

from pibench.errors import InputError
from pibench.results import records
from pibench.results.evidence import join
from pibench.results.latency import latency
from pibench.results.tables import all_tables
from pibench.testing.made_up import BUDGET, ENVIRONMENT, accuracy_record, cost_record, dense_baseline
from tests.test_tables import rows, study

OTHER_PEER = ENVIRONMENT | {"peer": ENVIRONMENT["machine"]}
OTHER_MACHINE = ENVIRONMENT | {"machine": ENVIRONMENT["machine"] | {"cores": 64}}  # type: ignore[operator]


@pytest.mark.parametrize(
    ("index", "changes", "named"),
    [
        (0, {"suite_version": "0.0.9"}, "suite_version"),
        (8, {"schema_version": 1}, "schema_version"),
        (0, {"data": "sample"}, "data"),
        (0, {"data_fingerprint": "other"}, "data_fingerprint"),
        (0, {"n": 7}, "n is"),
        (0, {"backbone": "bert-large"}, "backbone"),
        (8, {"seq_len": 64}, "seq_len"),
        (8, {"switches": {"fraction_bits": 26}}, "switches"),
        (8, {"security": {"parties": 3}}, "security"),
        (6, {"method_version": "2"}, "method_version"),
        (6, {"budget": BUDGET | {"epochs": 9}}, "budget"),
        (8, {"batch": 4}, "batch"),
        (8, {"scope": []}, "scope"),
        (8, {"environment": OTHER_MACHINE}, "machine class"),
        (8, {"environment": OTHER_PEER}, "machine class"),
        (10, {"baseline": dense_baseline([4.0, 4.0], architecture="b")}, "not the architecture of any dense"),
    ],
)
def test_records_that_do_not_belong_together_are_refused(index: int, changes: dict[str, Any], named: str) -> None:
    made_up = study()
    made_up[index] |= changes
    with pytest.raises(InputError, match="do not belong in one table") as refusal:
        join(made_up)
    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_twins_are_refused() -> None:
    with pytest.raises(InputError, match=r"the cost of b on lean appears twice"):
        join([*study(), study()[-1]])


def test_an_engine_that_tells_seconds_and_bytes_alone_has_no_modelled_latency() -> None:
    elsewhere = {"engine": "spu-semi2k", "rounds": None, "round_trips": None, "compute_seconds": None, "offline": None}
    dense = accuracy_record("rte", "dense", "exact", 60.0, architecture="dense", engine="spu-semi2k")
    cost = cost_record("dense", [4_000_000, 4_000_000], [2.0, 2.0], baseline=dense_baseline([1.0, 1.0]), **elsewhere)
    assert records.validate(cost) == []
    (row,) = [row for row in rows(latency(join([*study(), dense, cost]))) if row["engine"] == "spu-semi2k"]
    assert float(row["seconds_loopback"]) == 2.0
    assert row["seconds_lan"] == row["seconds_wan"] == ""
    assert all_tables([*study(), dense, cost])
