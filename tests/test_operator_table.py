from __future__ import annotations

from dataclasses import replace

import pytest

from pibench.engines.lean.fixed_point import FixedPoint
from pibench.engines.lean.switches import LEAN
from pibench.measure import operators
from pibench.measure.operators import measured, working_range
from pibench.model.floats import TorchInterpreter
from pibench.results import records
from pibench.results.render import render
from pibench.results.studies import study_tables
from tests.test_operator_plugins import plug
from tests.test_studies import study

PROBES = {(kind, name): operators.probe(kind, name) for kind, (of, _) in operators.KINDS.items() for name in of}


def test_every_operator_names_its_paper() -> None:
    assert all(probe.operator.paper for probe in PROBES.values())


def test_a_plugin_s_operator_has_a_row_and_a_broken_one_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(
        monkeypatch,
        "activation",
        broken="no_such_module:OPERATOR",
        half="tests.test_operator_plugins:HALF",
        line="tests.test_operator_plugins:LINE",
    )
    monkeypatch.setattr(operators, "KINDS", {"activation": operators.KINDS["activation"]})
    found = {row["operator"]: row for row in operators.rows()}
    assert (found["half"]["rounds"], found["half"]["paper"]) == (0, "made up")
    assert found["line"]["bytes_total"] == 0  # its coefficients are public
    assert found["broken"]["bytes_total"] is None
    record = study("operators", list(found.values()))
    assert records.validate(record) == []
    (table,) = study_tables([record])
    assert any("activation broken: failed: activation 'broken'" in note for note in table.notes)
    assert "broken" in render(table, "md")


@pytest.mark.parametrize(
    "probe",
    [probe for probe in PROBES.values() if probe.operator.error and probe.name != "goldschmidt"],
    ids=lambda probe: f"{probe.kind}-{probe.name}",
)
def test_no_error_is_larger_than_stated(probe: operators.Probe) -> None:
    row = measured(probe)
    assert row["float_error"] <= row["stated"] + 1e-9
    assert row["fixed_error"] <= row["stated"] + 0.01
    assert row["bytes_total"] > 0 and row["rounds"] > 0


@pytest.mark.parametrize(("bits", "low", "high"), [(13, 0.05, 0.15), (16, 0.005, 0.02), (20, 0.0, 1e-3)])
def test_goldschmidt_s_deflation_takes_more_fractional_bits_than_ours(bits: int, low: float, high: float) -> None:
    """16 are CrypTen's, and so SecFormer's; the error that the series itself makes takes 20."""
    probe = PROBES["norm", "goldschmidt"]
    ops = FixedPoint(replace(LEAN, fraction_bits=bits), inject=False)
    assert low < operators.error_of(probe, ops) < high
    assert operators.error_of(probe, TorchInterpreter()) < probe.operator.error


def test_a_range_ends_where_the_operator_fails() -> None:
    low, high = working_range(PROBES["norm", "newton"])
    assert low is not None and 0.04 < low < 0.1
    assert high is not None and 140 < high < 180
    assert working_range(PROBES["activation", "relu"]) == (None, None)
    spread = working_range(PROBES["softmax", "ode"])[1]
    assert spread is not None and 1 < spread < 4


def test_the_table_shows_costs_in_millions() -> None:
    row = measured(PROBES["activation", "relu"])
    record = study("operators", [row])
    assert records.validate(record) == []
    (table,) = study_tables([record])
    cells = dict(zip([column.key for column in table.columns], table.rows[0], strict=True))
    assert cells["megabytes"] == row["bytes_total"] / 1e6
    assert cells["stated"] is cells["float_error"] is None
