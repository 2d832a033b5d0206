from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pibench.errors import InputError
from pibench.methods.trajectory import Point, Trajectory
from pibench.results import figures, records
from pibench.results.studies import study_tables, with_modules
from pibench.results.tables import all_tables
from pibench.testing.made_up import ENVIRONMENT, SHARED, accuracy_record

ROOT = Path(__file__).resolve().parents[1]


def study(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    keys = ("schema_version", "suite_version", "status", "error", "engine", "security", "started_utc", "seconds_total")
    shared = {key: SHARED[key] for key in keys}
    return shared | {"kind": "study", "name": name, "rows": rows, "environment": ENVIRONMENT}


def cost_row(setup: str, seconds: list[float], **changes: Any) -> dict[str, Any]:
    return {
        "setup": setup,
        "architecture": "a",
        "batch": 1,
        "seq_len": 128,
        "bytes_total": 50_000_000,
        "rounds": 100,
        "round_trips": 0.5,
        "offline_elements": 20_000_000,
        "offline_bytes_if_sent": 200_000_000,
        "offline_seconds": [0.25, 0.35],
        "seconds": seconds,
        "compute_seconds": [value / 2 for value in seconds],
        "reference_seconds": [0.5] * len(seconds),
        "peak_memory_bytes": 10**9,
    } | changes


def test_ablation_shows_cost_and_time_over_the_lean_engine() -> None:
    record = study("ablation", [cost_row("lean", [0.5, 0.5]), cost_row("slow", [1.0, 2.0], offline_seconds=[])])
    assert records.validate(record) == []
    (table,) = study_tables([record])
    cells = [dict(zip([column.key for column in table.columns], row, strict=True)) for row in table.rows]
    assert [cell["ratio"] for cell in cells] == [1.0, 3.0]
    assert (cells[0]["megabytes"], cells[0]["offline_gigabytes"], cells[0]["offline_seconds"]) == (50.0, 0.2, 0.3)
    assert cells[0]["wan"] == pytest.approx(0.25 + 100 * 0.5 * 0.04 + 25e6 * 8 / 100e6)
    assert cells[1]["offline_seconds"] == "in the clock"


def test_network_shows_how_far_the_model_is_off() -> None:
    row = {"link": "wan", "setup": "lean", "bytes_total": 10**6, "rounds": 9, "seconds": [2.0, 4.0], "modelled": 3.3}
    (table,) = study_tables([study("network", [row])])
    assert table.rows[0][-2] == pytest.approx(10.0)


def test_every_committed_study_has_a_table_that_says_where_it_was_made() -> None:
    found = [record for record in records.read_all(ROOT / records.RESULTS / "records") if record["kind"] == "study"]
    tables = all_tables(found)
    assert {record["name"] for record in found} == {record["name"] for record, _ in with_modules(found)}
    assert all(" cores; commit " in table.notes[-1] for table in tables)
    assert not list(with_modules([study("unheard_of", [])]))


def test_a_record_is_found_under_its_study() -> None:
    assert records.file_name(study("wraps", [])) == "study/wraps.json"


def test_a_study_without_rows_is_no_record() -> None:
    assert any("rows" in problem for problem in records.validate(study("ablation", [])))


IMPORTANCE = {
    "importance": "integrated_gradients",
    "task": "rte",
    "examples": 10,
    "seeds": 2,
    "halves": [0.8, 0.9],
    "between_seeds": [0.5],
    "completeness": 0.002,
    "layers": 2,
    "heads": [0.1, 0.2, 0.3, 0.4],
}


def test_importance_shows_mean_correlations_and_nothing_where_there_is_none() -> None:
    chance = IMPORTANCE | {"importance": "random", "halves": None, "completeness": None}
    record = study("importance", [IMPORTANCE, chance])
    assert records.validate(record) == []
    (table,) = study_tables([record])
    assert table.name == "importance"
    assert table.rows[0][:6] == [
        "rte",
        "integrated_gradients",
        pytest.approx(0.85),
        pytest.approx(0.0707, abs=1e-4),
        0.5,
        0.2,
    ]
    assert table.rows[1][2:6] == [None, None, 0.5, None]


def test_methods_ablation_shows_loss_and_reduction() -> None:
    row = {
        "task": "rte", "seed": 0, "method": "ig3d", "ablation": "heads", "float": 58.0, "dense_float": 60.0,
        "selection": 61.0, "dense_selection": 62.0, "bytes_total": 25_000_000, "dense_bytes_total": 100_000_000,
        "rounds": 9, "stage_megabytes": [25.0], "stage_scores": [60.0], "epochs": 4, "examples": 100,
    }  # fmt: skip
    record = study("methods_ablation", [row])
    assert records.validate(record) == []
    (table,) = study_tables([record])
    assert table.rows == [["rte", "ig3d", "heads", 58.0, 2.0, 1.0, 25.0, 75.0, 9]]


def test_the_frontier_is_drawn_from_what_searches_left(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    point = Point(tau=0.1, predicted_loss=0.2, megabytes=60.0, score=84.0)
    notes = Trajectory(85.0, 2.3, point, (point,), (point,), ()).notes()
    made = [
        accuracy_record("rte", "ig3d", "v", 80.0, notes=notes),
        accuracy_record("rte", "dense", "exact", 81.0),
    ]
    paths = figures.draw([*made, study("importance", [IMPORTANCE])], tmp_path)
    assert [path.name for path in paths] == ["importance.png", "frontier.png"]
    assert figures.draw(made[1:], tmp_path) == []


def test_figures_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    points = [cost_row(setup, [0.1], batch=batch) for setup in ("dense", "IG-3D's recipe") for batch in (1, 2)]
    bits = {"task": "rte", "fraction_bits": 8, "mean_difference": 0.1, "largest_difference": 1.0, "expected_wraps": 0.1}
    made = [study("ablation", [cost_row("lean", [0.5])]), study("scaling", points), study("precision", [bits])]
    paths = figures.draw(made, tmp_path / "figures")
    assert [path.name for path in paths] == ["engine_ablation.png", "engine_precision.png", "engine_scaling.png"]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in paths)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another folder"):
        figures.draw([study("ablation", [cost_row("lean", [0.5])])], tmp_path / "file" / "figures")
