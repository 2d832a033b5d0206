"""Which records belong together."""

from __future__ import annotations

from typing import Any

import pytest

from pibench.errors import InputError
from pibench.results.evidence import join
from pibench.testing.made_up import BUDGET, ENVIRONMENT, dense_baseline
from tests.test_tables import study

OTHER_PEER = ENVIRONMENT | {"peer": ENVIRONMENT["machine"]}
OTHER_MACHINE = ENVIRONMENT | {"machine": ENVIRONMENT["machine"] | {"cores": 64}}  # type: ignore[operator]


@pytest.mark.parametrize(
    ("index", "changes", "named"),
    [
        (0, {"suite_version": "0.2.0"}, "suite_version"),
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
