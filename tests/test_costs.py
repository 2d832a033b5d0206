"""Costs that records lack are measured with random weights; a failure is one, and stops no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pibench.cli import main
from pibench.engines.engine import Inference
from pibench.engines.lean.ledger import predict
from pibench.measure.cost import PredictionFailed, Runner
from pibench.measure.missing import missing
from pibench.model.architecture import Architecture
from pibench.results import records
from pibench.testing.made_up import accuracy_record
from pibench.testing.models import tiny_model

SEQ_LEN = 8


def of(method: str, architecture: Architecture, **changes: Any) -> dict[str, Any]:
    spec = {"architecture": architecture.key, "architecture_spec": architecture.spec(), "seq_len": SEQ_LEN}
    return accuracy_record("rte", method, "exact", 60.0, **(spec | changes))


DENSE, RELU = tiny_model().architecture, tiny_model(activation="relu").architecture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for record in (of("dense", DENSE), of("made_up", RELU), of("another", RELU)):
        records.write(record, tmp_path / "records" / records.file_name(record))
    return tmp_path


def costs(folder: Path, *options: str) -> int:
    return main.main(["costs", "--output", str(folder), "--seq-len", str(SEQ_LEN), "--pairs", "2", *options])


def test_what_is_missing_is_each_architecture_once(folder: Path) -> None:
    found = missing(records.read_all(folder / "records"), SEQ_LEN)
    assert {(architecture.key, engine) for architecture, engine in found} == {(DENSE.key, "lean"), (RELU.key, "lean")}
    assert not missing(records.read_all(folder / "records"), SEQ_LEN + 1)


@pytest.mark.mpc
def test_missing_costs_are_measured_and_not_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert costs(folder) == 0
    found = {
        record["architecture"]: record for record in records.read_all(folder / "records") if record["kind"] == "cost"
    }
    assert found.keys() == {DENSE.key, RELU.key}
    for architecture in (DENSE, RELU):
        record, total = found[architecture.key], predict(architecture, 1, SEQ_LEN).total()
        assert (record["status"], record["weights"], len(record["seconds"])) == ("ok", "random", 2)
        assert (record["bytes_total"], record["rounds"]) == (total.bytes, total.rounds)
        assert record["baseline"]["architecture"] == DENSE.key
    assert "2 costs measured, 0 failed" in capsys.readouterr().out
    assert costs(folder) == 0
    assert "0 costs measured, 0 failed" in capsys.readouterr().out


def test_without_a_dense_model_there_is_nothing_to_compare_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = of("made_up", RELU)
    records.write(record, tmp_path / "records" / records.file_name(record))
    assert costs(tmp_path) == 2
    said = capsys.readouterr().err
    assert said == "pibench: these records have no dense model to compare with: run --methods dense first\n"


@pytest.mark.mpc
def test_a_failed_cost_is_recorded_and_stops_no_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Runner.run

    def run(runner: Runner) -> Inference:
        if runner.sample.model.architecture == RELU:
            raise PredictionFailed("too many bytes")
        return real(runner)

    monkeypatch.setattr(Runner, "run", run)
    assert costs(folder) == 1
    said = capsys.readouterr().out
    assert "failed: PredictionFailed: too many bytes" in said and "1 costs measured, 1 failed" in said
    found = {
        record["architecture"]: record for record in records.read_all(folder / "records") if record["kind"] == "cost"
    }
    assert (found[DENSE.key]["status"], found[RELU.key]["status"]) == ("ok", "failed")
