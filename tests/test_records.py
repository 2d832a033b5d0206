import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pibench.errors import InputError
from pibench.results import records
from pibench.testing.made_up import accuracy_record, cost_record, dense_baseline, failed_accuracy
from pibench.training.budget import Budget

UNMEASURED = dict.fromkeys(("bytes_total", "bytes_sent", "rounds", "operators", "seconds", "compute_seconds"))
SPENT = {"steps": 2, "examples": 64}
GOOD = [
    accuracy_record("rte", "dense", "exact", 61.5),
    accuracy_record("rte", "dense", "exact", 61.5, budget=dataclasses.asdict(Budget()), notes={"any": [1]}),
    accuracy_record("rte", "dense", "trained on", 61.5, spent={"returned": SPENT, "total": SPENT}),
    failed_accuracy("rte", "ig3d", "within", "timeout", data_fingerprint=None, spent=None),
    cost_record("dense", [4, 4], [1.0, 2.0], baseline=dense_baseline([1.0, 2.0])),
    cost_record("dense", [4, 4], [1.0]) | UNMEASURED | {"status": "failed", "error": "out of memory"},
]


@pytest.mark.parametrize("record", GOOD)
def test_round_trip(record: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / records.file_name(record)
    assert records.validate(record) == []
    records.write(record, path)
    assert records.read(path) == record
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    text = path.read_text()
    assert text == json.dumps(record, sort_keys=True, indent=1) + "\n"


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({}, "'kind' is a required property"),
        ({"kind": "other"}, "is not one of"),
        (accuracy_record("rte", "dense", "exact", None), "$.float: None is not of type 'number'"),
        (accuracy_record("rte", "dense", "exact", math.nan), "not strict JSON"),
        (accuracy_record("rte", "dense", "exact", 60.0, host="me"), "'host' was unexpected"),
        (accuracy_record("rte", "dense", "exact", 60.0, schema_version=1), "$.schema_version: 2 was expected"),
        (accuracy_record("rte", "dense", "exact", 60.0, error="but"), "$.error"),
        (accuracy_record("rte", "dense", "exact", 60.0, started_utc="yesterday"), "$.started_utc"),
        (accuracy_record("rte", "dense", "exact", 60.0, spent={"returned": SPENT}), "'total' is a required property"),
        (accuracy_record("../rte", "dense", "exact", 60.0), "$.task"),
        (failed_accuracy("rte", "ig3d", "within", "failed", error=None), "$.error"),
        (cost_record("dense", [4, 4], [1.0], bytes_total=4), "not the sum of bytes_sent"),
        (cost_record("dense", [4, 4], [1.0], compute_seconds=[]), "differ in length"),
        (cost_record("dense", [4, 4], [1.0], baseline=dense_baseline([1.0, 2.0])), "differ in length"),
        (
            cost_record("x", [4, 4], [1.0], baseline=dense_baseline([1.0], lowering="stock")),
            "'lowering' was unexpected",
        ),
        (cost_record("x", [4, 4], [1.0], weights="borrowed"), "$.weights"),
        (cost_record("dense", [4, 4], [1.0]) | {"seconds": None}, "$.seconds"),
    ],
)
def test_invalid_records_are_named_and_not_written(record: dict[str, Any], problem: str, tmp_path: Path) -> None:
    assert any(problem in found for found in records.validate(record))
    with pytest.raises(ValueError, match="invalid record"):
        records.write(record, tmp_path / "record.json")
    assert list(tmp_path.iterdir()) == []


LATER = {"backbone_fingerprint", "outputs", "spent"}
"""Keys that records have only since a later version."""


def test_schema_describes_every_key() -> None:
    schema = json.loads(Path(records.__file__).with_name("record.schema.json").read_text())
    definitions = schema["$defs"]
    assert definitions["schema_version"]["const"] == records.SCHEMA_VERSION
    assert set(definitions["budget"]["properties"]) == {field.name for field in dataclasses.fields(Budget)}

    def check(node: dict[str, Any]) -> None:
        for name, value in node.get("properties", {}).items():
            target = definitions[value["$ref"].rsplit("/", 1)[-1]] if "$ref" in value else value
            assert "description" in value or "description" in target, name
            check(target)
            check(target.get("items", {}))

    for kind in ("accuracy", "cost"):
        check(definitions[kind])
        assert set(definitions[kind]["required"]) | LATER >= set(definitions[kind]["properties"])


def test_interrupted_write_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    records.write(GOOD[0], path)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        records.write(GOOD[1], path)
    assert records.read(path) == GOOD[0]
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*record\.json"):
        records.write(GOOD[0], tmp_path / "file" / "record.json")
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b'{"kind": "cost", "batch": NaN}'])
def test_unreadable_record_names_its_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    for read in (lambda: records.read(path), lambda: records.read_all(tmp_path)):
        with pytest.raises(InputError, match=r"broken\.json"):
            read()


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the record"):
        records.read(tmp_path / "absent.json")
    with pytest.raises(InputError, match="there is no records folder"):
        records.read_all(tmp_path / "absent")


def test_read_all_is_recursive_and_sorted(tmp_path: Path) -> None:
    assert records.read_all(tmp_path) == []
    for name, record in (("b/2.json", GOOD[0]), ("a/3.json", GOOD[3]), ("b/1.json", GOOD[2])):
        records.write(record, tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a record")
    assert records.read_all(tmp_path) == [GOOD[3], GOOD[2], GOOD[0]]


def test_records_are_read_without_pandas() -> None:
    code = "import sys, pibench.results.records; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_file_names() -> None:
    accuracy = accuracy_record("rte", "ig3d", "within", 60.0, seed=3, data="me/my data")
    assert records.file_name(accuracy) == "accuracy/me%2Fmy%20data/rte--ig3d--within--lean--s3.json"
    assert records.file_name(cost_record("a1b2", [4, 4], [1.0])) == "cost/a1b2--lean--len128--b1.json"
