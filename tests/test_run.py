from __future__ import annotations

from importlib.metadata import EntryPoint
from operator import call
from pathlib import Path
from typing import Any

import pytest

from pibench import plugins
from pibench.errors import InputError
from pibench.measure.options import defaults
from pibench.measure.plan import Plan
from pibench.measure.run import CellFailed, run_cell
from pibench.measure.workbench import Workbench
from pibench.net.processes import PartyFailed, PartyTimeout
from pibench.plugins import Registry
from pibench.results import records
from pibench.testing.made_up import accuracy_record
from pibench.testing.models import save_checkpoint, tiny_bert
from pibench.training.tune import selection_score
from tests.conftest import MakeModel
from tests.test_studies import study

DONE = accuracy_record("rte", "dense", "exact", 60.0)
BLANK = DONE | {"status": "failed", "float": None}


def workbench(output: Path, resume: bool = False) -> Workbench:
    return Workbench(Plan.from_options(defaults(engine="lean", data="sample", output=output, resume=resume)))


def stored(output: Path) -> dict[str, Any]:
    return records.read(output / "records" / records.file_name(BLANK))


def raising(error: Exception) -> Any:
    def measure() -> dict[str, Any]:
        raise error

    return measure


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (PartyFailed("party 1 (client) was killed by signal 9"), "failed", "party 1 (client) was killed by signal 9"),
        (PartyTimeout("party 0 (server) gave no answer"), "timeout", "party 0 (server) gave no answer"),
        (InputError("a sentence"), "failed", "a sentence"),
        (ValueError("two\nlines"), "failed", "ValueError: two lines"),
    ],
)
def test_a_failure_is_recorded_and_reported(tmp_path: Path, error: Exception, status: str, text: str) -> None:
    with pytest.raises(CellFailed, match=status) as caught:
        run_cell(workbench(tmp_path), BLANK, raising(error))
    assert caught.value.__cause__ is error
    record = stored(tmp_path)
    assert (record["status"], record["error"], record["float"]) == (status, text, None)


def test_a_failure_names_the_line_of_the_plugin_that_it_went_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "doubtful"
    package.mkdir()
    (package / "__init__.py").write_text("")
    lines = ["import torch", "class Method:", "    def compress(self):", "        return torch.ones(2) @ torch.ones(3)"]
    (package / "method.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("doubtful", "doubtful.method:Method", "made.up")
    bench = workbench(tmp_path)
    monkeypatch.setattr(plugins, "registered", lambda group: [entry])
    method: Any = Registry("method", "made.up", object, make=call)["doubtful"]

    def measure() -> dict[str, Any]:
        return {"float": method.compress()}

    with pytest.raises(CellFailed, match=r"RuntimeError: .* \(doubtful/method\.py:4\)$"):
        run_cell(bench, BLANK, measure)
    assert stored(tmp_path)["error"].endswith("(doubtful/method.py:4)")


def test_a_failure_in_the_suite_itself_names_its_line(tmp_path: Path, make_model: MakeModel) -> None:
    def measure() -> dict[str, Any]:
        return {"float": selection_score(make_model(), None)}  # type: ignore[arg-type]

    with pytest.raises(CellFailed, match=r"AttributeError: .* \(pibench/training/tune\.py:\d+\)$"):
        run_cell(workbench(tmp_path), BLANK, measure)


def test_a_finished_cell_is_kept_on_resume_and_a_failed_one_is_run_again(tmp_path: Path) -> None:
    with pytest.raises(CellFailed):
        run_cell(workbench(tmp_path), BLANK, raising(ValueError("first try")))
    assert run_cell(workbench(tmp_path, resume=True), BLANK, lambda: dict(DONE))["status"] == "ok"
    again = run_cell(workbench(tmp_path, resume=True), BLANK, raising(ValueError("never called")))
    assert again["float"] == stored(tmp_path)["float"] == 60.0


def test_without_resume_a_finished_cell_is_measured_again_once(tmp_path: Path) -> None:
    run_cell(workbench(tmp_path), BLANK, lambda: dict(DONE))
    bench = workbench(tmp_path)
    assert run_cell(bench, BLANK, lambda: DONE | {"float": 61.0})["float"] == 61.0
    assert run_cell(bench, BLANK, raising(ValueError("never called")))["float"] == 61.0


def test_a_failure_replaces_a_record_that_an_earlier_run_left(tmp_path: Path) -> None:
    run_cell(workbench(tmp_path), BLANK, lambda: dict(DONE))
    with pytest.raises(CellFailed):
        run_cell(workbench(tmp_path), BLANK, raising(ValueError("no longer works")))
    assert (stored(tmp_path)["status"], stored(tmp_path)["float"]) == ("failed", None)


def test_a_record_of_another_budget_does_not_stand_for_the_cell(tmp_path: Path) -> None:
    run_cell(workbench(tmp_path), BLANK, lambda: dict(DONE))
    richer = BLANK | {"budget": BLANK["budget"] | {"epochs": 9}}
    done = run_cell(workbench(tmp_path, resume=True), richer, lambda: {"status": "ok", "float": 63.0})
    assert (done["float"], done["budget"]["epochs"]) == (63.0, 9)


def test_an_incomplete_record_is_completed(tmp_path: Path) -> None:
    run_cell(workbench(tmp_path), BLANK, lambda: dict(DONE))
    done = run_cell(
        workbench(tmp_path, resume=True), BLANK, lambda: DONE | {"float": 62.0}, lambda record: record["float"] == 62
    )
    assert done["float"] == 62.0


def test_a_disk_that_takes_nothing_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("a file where a folder should be")
    with pytest.raises(InputError, match=r"cannot write .*choose another folder"):
        run_cell(workbench(tmp_path), BLANK, lambda: dict(DONE))


def test_braces_in_a_folder_s_name_are_left_alone(tmp_path: Path) -> None:
    backbone = str(save_checkpoint(tiny_bert(), tmp_path / "backbone"))
    output = tmp_path / "{}{0.x}-{data}"
    bench = Workbench(Plan.from_options(defaults(engine="lean", data="sample", output=output, backbone=backbone)))
    assert bench.check() == "sample"
    assert bench.plan.output == tmp_path / "{}{0.x}-sample"


def test_a_folder_with_other_cells_is_refused_and_one_with_studies_is_not(tmp_path: Path) -> None:
    bench, folder = workbench(tmp_path), tmp_path / "records"
    own = {"backbone": "minilm", "seq_len": 32, "data": "sample", "security": bench.plan.security("lean")}
    foreign = {"security": {"parties": 3}}
    for record in (DONE | own, study("spu_layers", [{"layer": 1}]) | foreign):
        records.write(record, folder / records.file_name(record))
    bench.refuse_other_records("sample")
    records.write(DONE | own | foreign, folder / records.file_name(DONE))
    with pytest.raises(InputError, match=r"holds records with security .*choose another --output"):
        bench.refuse_other_records("sample")
