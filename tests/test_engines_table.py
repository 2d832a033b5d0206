"""The tables of the second engine, from made-up rows."""

from __future__ import annotations

from typing import Any

import pytest

from baselines.aero.paper import REPORTED
from pibench.measure.spu import lean_cost, summed
from pibench.model.architecture import Architecture, Layer
from pibench.results import records
from pibench.results.records import Record
from pibench.results.studies import study_tables
from tests.test_studies import study


def row(method: str, engine: str, size: float, rounds: int | None) -> dict[str, Any]:
    return {
        "task": "cola",
        "method": method,
        "variant": "exact" if method == "dense" else "v",
        "engine": engine,
        "bytes_total": size * 1e6,
        "rounds": rounds,
        "seconds": 1.0,
        "offline": "none",
    }


def cells(record: Record, index: int = 0) -> list[dict[str, Any]]:
    assert records.validate(record) == []
    table = study_tables([record])[index]
    return [dict(zip([column.key for column in table.columns], line, strict=True)) for line in table.rows]


def test_methods_stand_beside_each_engine_s_own_dense() -> None:
    rows = [row("dense", "lean", 10, 5), row("a", "lean", 5, 3), row("b", "lean", 2, 1)]
    rows += [
        row("dense", "spu-cheetah", 90, None),
        row("a", "spu-cheetah", 30, None),
        row("b", "spu-cheetah", 45, None),
    ]
    record = study("engines", rows) | {"security": {"lean": "2 parties", "spu-cheetah": "2 parties"}}
    found = cells(record)
    assert [line["method"] for line in found] == ["dense", "a", "b"]
    assert [line["times_lean"] for line in found] == [1.0, 2.0, 5.0]
    assert [line["times_spu-cheetah"] for line in found] == [1.0, 3.0, 2.0]
    assert "rounds_lean" in found[0] and "rounds_spu-cheetah" not in found[0]
    table, _ = study_tables([record])
    assert any("lean and CHEETAH 0.50" in note for note in table.notes)


def test_operations_add_up_for_each_method_s_least_variant() -> None:
    operations = {"pphlo.tanh": 2e6, "pphlo.dot": 3e6, "pphlo.dot_general": 1e6, "pphlo.gather": 0.5e6}
    rows = [row("dense", "lean", 10, 5) | {"operations": {}}]
    rows += [row("dense", "spu-aby3", 6.5, 5) | {"operations": operations}]
    rows += [row("dense", "spu-aby3", 9, 5) | {"operations": {"pphlo.exponential": 9e6}, "variant": "dearer"}]
    (found,) = cells(study("engines", rows) | {"security": {"lean": "", "spu-aby3": ""}}, 1)
    assert (found["engine"], found["variant"], found["megabytes"]) == ("ABY3", "exact", 6.5)
    assert (found["products"], found["tanh"], found["exp"], found["other"]) == (4.0, 2.0, 0.0, 0.5)


def test_aero_s_ratios_are_within_the_paper_and_within_the_suite() -> None:
    def measured(index: int, size: float) -> dict[str, Any]:
        reported = vars(REPORTED[index])
        return {
            "model": "GPT-2",
            "rung": reported["rung"],
            "reported": reported,
            "bytes_total": size,
            "seconds": size / 1e9,
        }

    first, second = cells(study("aero_cheetah", [measured(0, 4e9), measured(1, 2e9)]))
    assert second["reported_reduction"] == pytest.approx(25.32 / 9.44)
    assert (first["reduction"], second["reduction"], second["speedup"]) == (1.0, 2.0, 2.0)
    assert second["modelled_speedup"] == pytest.approx((4 + 160) / (2 + 80))


def test_a_model_costs_what_its_layers_cost() -> None:
    layers = (Layer(2, 8, 32), Layer(1, 8, 32, softmax="two_quad"), Layer(2, 8, 32))
    model = Architecture(16, layers, 2)
    found = {layer.key: lean_cost(layer, 8) for layer in model.single_layers()}
    assert len(found) == 2
    total = summed(found, model)
    first, second = (lean_cost(layer, 8) for layer in model.single_layers()[:2])
    assert total["bytes_total"] == 2 * first["bytes_total"] + second["bytes_total"]
    assert total["rounds"] == 2 * first["rounds"] + second["rounds"]


def test_a_model_s_operations_are_those_of_its_layers() -> None:
    model = Architecture(16, (Layer(2, 8, 32),) * 2, 2)
    cost = {"bytes_total": 5, "rounds": 1, "operations": {"pphlo.dot": 3, "pphlo.tanh": 2}}
    assert summed({model.single_layers()[0].key: cost}, model)["operations"] == {"pphlo.dot": 6, "pphlo.tanh": 4}
