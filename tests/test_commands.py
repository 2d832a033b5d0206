"""The commands for people and for programs."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pibench.cli import doctor, run
from pibench.cli import main as command
from pibench.cli import records as chosen_records
from pibench.cli.compare import compared, explained
from pibench.cli.cost import predicted
from pibench.cli.plan import planned
from pibench.engines.lean.ledger import predict
from pibench.errors import InputError, pick
from pibench.methods.registry import METHODS
from pibench.model.module import Model
from pibench.results.evidence import join
from pibench.results.records import RESULTS, file_name, write
from pibench.testing.made_up import accuracy_record
from pibench.testing.models import save_checkpoint, tiny_bert
from tests.test_intervals import study as answered_study
from tests.test_tables import study


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert command.main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("kind", "name"), [("methods", "ig3d"), ("operators", "quad"), ("tasks", "stsb"), ("networks", "wan")]
)
def test_lists_name_what_there_is(capsys: pytest.CaptureFixture[str], kind: str, name: str) -> None:
    assert name in {row[kind[:-1]] for row in printed(capsys, "list", kind)}
    assert command.main(["list", kind]) == 0
    assert f"| {name} " in capsys.readouterr().out


def test_a_broken_plugin_is_listed_with_its_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(methods: object, name: str) -> None:
        raise InputError(f"method {name!r} failed to import")

    monkeypatch.setattr(type(METHODS), "__getitem__", broken)
    assert {row["what"] for row in printed(capsys, "list")} >= {"method 'dense' failed to import"}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tiny_bert(), tmp_path_factory.mktemp("tiny") / "backbone")


def test_predicted_costs_add_up_to_the_ledger_s(backbone: Path, make_model: Any) -> None:
    rows = predicted(str(backbone), 2, 16, {})
    model: Model = make_model()
    total = predict(model.architecture, 2, 16).total()
    assert (rows[-1]["MB"] * 1e6, rows[-1]["rounds"]) == (total.bytes, total.rounds)
    assert sum(row["MB"] for row in rows[:-1]) == pytest.approx(rows[-1]["MB"])
    assert rows[-1]["wan: network alone (s)"] > rows[-1]["lan: network alone (s)"] > 0
    assert predicted(str(backbone), 2, 16, {"softmax": "two_quad"})[-1]["MB"] < rows[-1]["MB"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cost", "--seq-len", "41"], "holds 40"),
        (["cost", "--seq-len", "16", "--softmax", "soft"], "unknown softmax 'soft'"),
        (["list", "--all"], "pibench list does not take --all"),
        (["compare", "dense/exact", "dense/exactly", "--records", "results/v1/records"], "did you mean 'dense/exact'?"),
        (["explain", "cola", "--records", "no-such-folder"], "no records folder no-such-folder"),
        (["compare", "dense/exact", "ig3d/a", "--records", "ig3d"], "ig3d holds no records: name a folder"),
        (["plan", "--sizes", "base", "--records", "ig3d"], "ig3d holds no records: name a folder"),
        (["cost", "--activation", ""], "--activation is empty: give it a value"),
        (["list", ""], "an argument is empty"),
        (["compress", "--save="], "--save is empty"),
        (["tables", "--records", ""], "--records is empty"),
    ],
)
def test_bad_input_is_one_sentence_and_status_two(
    backbone: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    own = ["--backbone", str(backbone)] if arguments[0] == "cost" else []
    assert command.main([*arguments, *own]) == 2
    said = capsys.readouterr().err
    assert words in said and said.startswith("pibench: ") and said.count("\n") == 1


def test_two_methods_are_compared_on_what_both_have() -> None:
    rows = {row["quantity"]: row for row in compared(join(study()), "dense/exact", "ig3d/within")}
    accuracy = rows["accuracy (%), mean"]
    assert (accuracy["dense/exact"], accuracy["ig3d/within"], accuracy["pairs"]) == (75.0, 73.5, 2)
    assert accuracy["verdict"].startswith("not tested: records without outputs")
    assert rows["MB"]["ig3d/within"] < rows["MB"]["dense/exact"] == 8.0


@pytest.mark.parametrize(
    ("other", "verdict"),
    [("far/a", "they differ (paired bootstrap over examples, p < 0.001)"), ("near/a", "not told apart")],
)
def test_a_lead_in_accuracy_is_told_from_chance_over_examples(other: str, verdict: str) -> None:
    found = compared(join(answered_study()), "dense/exact", other)[0]["verdict"]
    assert found.startswith(verdict) and " (paired bootstrap over examples, p " in found


def test_what_was_not_timed_is_not_compared() -> None:
    made_up = [record for record in study() if record["kind"] == "accuracy"]
    assert [row["quantity"] for row in compared(join(made_up), "dense/exact", "ig3d/within")] == ["accuracy (%), mean"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "--seeds", "0"],
        ["cost", "--batch", "1000000000"],
        ["compress", "--save", "x", "--seed", "-4"],
        ["compress", "--save", "x", "--seed", "18446744073709551616"],
    ],
)
def test_numbers_out_of_range_are_refused_at_once(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(arguments)
    assert "is not a whole number from" in capsys.readouterr().err


def test_a_long_list_of_what_is_known_is_cut() -> None:
    with pytest.raises(InputError, match=r"did you mean 'ig3d/a' or 'ig3d/b'\? Known are .* and 12 more$"):
        pick("row", "ig3d", [*map(str, range(40)), "ig3d/a", "ig3d/b"])


def test_records_are_those_of_the_checkout_unless_there_are_some_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command.main(["explain", "cola-dense-exact-s0"]) == 0
    own = accuracy_record("rte", "dense", "exact", 60.0)
    write(own, tmp_path / RESULTS / "records" / file_name(own))
    capsys.readouterr()
    assert command.main(["explain", "cola-dense-exact-s0"]) == 2
    assert "rte-dense-exact-s0" in capsys.readouterr().err


def test_without_a_checkout_the_folder_of_records_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chosen_records, "CHECKOUT", tmp_path)
    for arguments in (["explain", "a"], ["compare", "a", "b"]):
        assert command.main(arguments) == 2
        assert "name a folder of records with --records" in capsys.readouterr().err


def test_nothing_in_common_is_refused() -> None:
    made_up = [accuracy_record("rte", "dense", "exact", 60.0), accuracy_record("sst2", "a", "within", 60.0)]
    with pytest.raises(InputError, match="have no task and seed in common"):
        compared(join(made_up), "a/within", "dense/exact")


def test_a_cell_is_explained_down_to_its_commit() -> None:
    found = {row["what"]: row["value"] for row in explained(join(study()), "sst2-ig3d-within-s0")}
    assert found["accuracy, floats (%)"] == 89.0
    assert found["commit"] == "0123456789abcdef0123456789abcdef01234567"
    assert found["record"].startswith("accuracy/glue/sst2--ig3d--within--lean--s0")
    assert found["MB"] == 1.0


def test_the_doctor_fails_for_what_is_needed_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> str:
        raise InputError("install it")

    monkeypatch.delenv("PIBENCH_GLUE_DIR", raising=False)
    monkeypatch.setattr(doctor, "_glue", missing)
    monkeypatch.setattr(doctor, "_engine", lambda name: "there" if name == "lean" else missing())
    assert command.main(["doctor"]) == 0
    assert "install it" in capsys.readouterr().out
    monkeypatch.setattr(doctor, "_engine", lambda name: missing())
    assert command.main(["doctor", "--json"]) == 1
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["engine lean"]["state"], rows["engine lean"]["more"]) == ("missing", "install it")


def test_the_doctor_names_what_hides_a_package_and_what_runs_the_cells(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "_engine", lambda name: "there")
    other = hide(tmp_path, monkeypatch)
    monkeypatch.setattr(run, "find_spec", lambda name: None if name == "pytest_benchmark" else find_spec(name))
    assert command.main(["doctor", "--json"]) == 1
    rows = {row["what"]: row["more"] for row in json.loads(capsys.readouterr().out)}
    assert str(other) in rows["the suite's packages"]
    assert rows["pytest"] == "pytest-benchmark is not installed: run `pip install 'pibench[bench]'`"


def hide(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put another package named ``baselines`` in front of the suite's, and return its file."""
    (folder / "baselines").mkdir()
    (folder / "baselines" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "baselines", raising=False)
    monkeypatch.syspath_prepend(folder)
    return folder / "baselines" / "__init__.py"


def test_a_run_is_refused_where_pytest_is_missing_or_a_package_is_hidden(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as without:
        without.setattr(run, "find_spec", lambda name: None)
        assert command.main(["run"]) == 2
    assert capsys.readouterr().err == "pibench: pytest is not installed: run `pip install 'pibench[bench]'`\n"
    other = hide(tmp_path, monkeypatch)
    assert command.main(["run"]) == 2
    said = capsys.readouterr().err
    assert str(other) in said and said.count("\n") == 1


def test_planned_hours_follow_the_measured_seconds() -> None:
    seconds = {"seconds_total": 3600.0}
    made_up = [record | seconds if record["kind"] == "accuracy" else record for record in study()]
    rows = planned(made_up, {"minilm": 1.0, "base": 5.0}, ["minilm", "base"], ["rte", "qqp"], seeds=3)
    found = {(row["size"], row["task"]): row for row in rows}
    assert found["minilm", "rte"]["cells"] == found["minilm", "qqp"]["cells"] == 9  # three rows, whatever the task
    assert found["minilm", "rte"]["training (h)"] == 9.0
    assert found["minilm", "qqp"]["training (h)"] > 2 * 9.0  # not measured, and four times the examples
    assert found["base", "rte"]["training (h)"] == 45.0
    assert found["base", "rte"]["between parties (h)"] > 2 * found["minilm", "rte"]["between parties (h)"] > 0
    both = found["base", "rte"]["all (h)"] + found["base", "qqp"]["all (h)"]
    assert found["base", "all"]["all (h)"] == pytest.approx(both)
    with pytest.raises(InputError, match="no cell was measured on a CPU"):
        planned([], {"base": 1.0}, ["base"], ["rte"], seeds=1)
