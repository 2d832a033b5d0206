"""Records of schema 1 become records of schema 2: names change, numbers do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pibench.results.migrate import main, migrated
from pibench.results.records import file_name, read_all, validate
from pibench.testing.made_up import accuracy_record, cost_record, dense_baseline

OLD_SWITCHES = {"plain_config": True, "raw_sockets": True, "direct_shares": True, "prefetch": True, "fraction_bits": 13}


def old(record: dict[str, Any], lowering: str, extra: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a record as schema 1 had it."""
    new = ("last_error", "notes", "tuning", "training_step_ratio", "weights")
    kept = {name: value for name, value in record.items() if name not in new}
    return kept | {"schema_version": 1, "engine": "crypten", "lowering": lowering, "extra": extra} | changes


def dense(variant: str, lowering: str, **changes: Any) -> dict[str, Any]:
    extra = {"method": {"a": 1}, "dense": {"learning_rate": 1e-4}}
    return old(accuracy_record("rte", "dense", variant, 60.0, switches=OLD_SWITCHES), lowering, extra, **changes)


def test_the_fair_lowering_is_the_lean_engine_and_what_it_always_does_is_no_switch() -> None:
    record = migrated(dense("fair", "fair"))
    assert validate(record) == []
    assert (record["engine"], record["variant"], record["float"]) == ("lean", "exact", 60.0)
    assert (record["notes"], record["tuning"]) == ({"a": 1}, {"learning_rate": 1e-4})
    assert record["switches"] == {"prefetch": True, "fraction_bits": 13}


def test_the_stock_lowering_is_crypten() -> None:
    switches = {"plain_config": False, "raw_sockets": False, "direct_shares": False, "prefetch": True}
    record = migrated(dense("stock", "stock", switches=switches | {"fraction_bits": 16, "squares": False}))
    assert validate(record) == []
    assert (record["engine"], record["variant"]) == ("crypten", "exact")
    assert record["switches"] == {
        "lowering": "stock",
        "prefetch": True,
        "plain_config": False,
        "raw_sockets": False,
        "fraction_bits": 16,
    }


@pytest.mark.parametrize(("extra", "weights"), [({}, "trained"), ({"weights": "random"}, "random")])
def test_a_cost_says_whose_weights_were_timed(extra: dict[str, Any], weights: str) -> None:
    baseline = dense_baseline([1.0]) | {"lowering": "fair"}
    before = old(cost_record("a", [1, 2], [0.5], baseline=baseline, switches=OLD_SWITCHES), "fair", extra)
    record = migrated(before)
    assert validate(record) == []
    assert (record["weights"], record["bytes_total"]) == (weights, 3)
    assert "lowering" not in record["baseline"]
    assert before["baseline"]["lowering"] == "fair", "the old record was changed"


def test_a_study_of_spu_names_its_engines_as_the_command_line_does() -> None:
    study = {
        "schema_version": 1,
        "kind": "study",
        "name": "engines",
        "engine": "spu",
        "security": {"crypten": "a", "semi2k": "b"},
        "rows": [{"engine": "semi2k", "method": "dense", "variant": "fair"}, {"setup": "CrypTen"}],
    }
    record = migrated(study)
    assert (record["engine"], record["security"]) == ("spu", {"lean": "a", "spu-semi2k": "b"})
    assert record["rows"] == [{"engine": "spu-semi2k", "method": "dense", "variant": "exact"}, {"setup": "CrypTen"}]


def test_a_folder_is_migrated_in_place_and_only_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.json").write_text(json.dumps(dense("fair", "fair")))
    assert main([str(tmp_path)]) == 0
    (record,) = read_all(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")] == [file_name(record)]
    assert main([str(tmp_path)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["1", "0"]


def test_what_is_no_folder_or_no_known_schema_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    (tmp_path / "new.json").write_text(json.dumps(dense("fair", "fair", schema_version=3)))
    assert main([str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "there is no folder" in said[0] and "schema 3 is unknown" in said[1]
