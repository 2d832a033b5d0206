"""Models and records are found again by content: never by a name, a path or a version alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pibench.errors import InputError
from pibench.measure import identity, stages
from pibench.measure.accuracy import blank_accuracy
from pibench.measure.options import defaults
from pibench.measure.plan import Cell, Plan
from pibench.measure.run import finished
from pibench.measure.workbench import Workbench
from pibench.methods.contract import Variant
from pibench.results import records
from pibench.testing.models import save_checkpoint, tiny_bert

CELL = Cell("sst2", "dense", Variant("exact"), seed=0)


def checkpoint(folder: Path, scale: float = 1.0) -> Path:
    bert = tiny_bert()
    with torch.no_grad():
        bert.bert.encoder.layer[0].output.dense.weight.mul_(scale)
    return save_checkpoint(bert, folder / "checkpoint-500")


def workbench(backbone: Path, output: Path) -> Workbench:
    given = defaults(engine="lean", methods="dense", data="sample", backbone=str(backbone), output=output, resume=True)
    return Workbench(Plan.from_options(given))


def trained(backbone: Path, output: Path) -> str:
    return stages.dense(workbench(backbone, output), CELL).model.fingerprint()


def test_a_checkpoint_of_equal_name_or_place_is_another_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = trained(checkpoint(tmp_path / "run-a"), tmp_path / "out")
    assert trained(tmp_path / "run-a" / "checkpoint-500", tmp_path / "other") == first
    second = trained(checkpoint(tmp_path / "run-b", scale=2.0), tmp_path / "out")
    assert second != first
    assert trained(checkpoint(tmp_path / "run-a", scale=2.0), tmp_path / "out") == second


def test_a_record_of_another_checkpoint_is_not_reused_and_not_mixed(tmp_path: Path) -> None:
    old, new = (workbench(checkpoint(tmp_path / run, scale), tmp_path) for run, scale in (("a", 1.0), ("b", 2.0)))
    record = blank_accuracy(old, CELL) | {"status": "skipped", "error": "for a test"}
    path = old.plan.records / records.file_name(record)
    records.write(record, path)
    assert finished(path, blank_accuracy(old, CELL)) == records.read(path)
    assert finished(path, blank_accuracy(new, CELL)) is None
    old.refuse_other_records("sample")
    with pytest.raises(InputError, match=r"holds records with backbone_fingerprint .*choose another --output"):
        new.refuse_other_records("sample")


class _Method:
    """Stands in for a plugin's method."""


def test_the_code_of_a_method_is_its_whole_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "plugin"
    package.mkdir()
    (package / "method.py").touch()
    (package / "helper.py").touch()
    monkeypatch.setitem(identity.sys.modules, "plugin", SimpleNamespace(__path__=[str(package)]))  # type: ignore
    monkeypatch.setattr(_Method, "__module__", "plugin.method")

    def code() -> Any:
        identity.source_fingerprint.cache_clear()
        return identity.compression_code(_Method())

    before, training = code(), identity.training_code()
    assert code() == before
    (package / "helper.py").write_text("STRENGTH = 2\n")
    assert code() != before
    assert identity.training_code() == training


def test_moving_a_line_from_one_file_to_another_is_a_change(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("one", "two")]
    for place, texts in zip(places, (("a\n", "b\n"), ("a\nb\n", "")), strict=True):
        place.mkdir()
        for name, text in zip(("x.py", "y.py"), texts, strict=True):
            (place / name).write_text(text)
    (tmp_path / "one").rename(tmp_path / "same")
    first = identity.source_fingerprint(tmp_path / "same")
    (tmp_path / "same").rename(tmp_path / "gone")
    (tmp_path / "two").rename(tmp_path / "same")
    identity.source_fingerprint.cache_clear()
    assert identity.source_fingerprint(tmp_path / "same") != first
