"""The tables of reliability, from made-up rows, and what counts as survived."""

from __future__ import annotations

from pathlib import Path

from pibench.results import records
from pibench.results.studies import study_tables
from pibench.testing.made_up import accuracy_record
from pibench.testing.runs import Outcome, Run, lost, summary, with_others
from tests.test_studies import study


def test_a_row_counts_what_was_clean_and_adds_up_what_was_not() -> None:
    row = summary("fault", [Outcome(True, "a"), Outcome(True, "a", orphans=2), Outcome(False, "b", tracebacks=1)])
    assert row.pop("commit")
    assert row == {
        "fault": "fault", "times": 3, "survived": 1, "orphans": 2, "tracebacks": 1, "lost": 0, "saw": "a",
    }  # fmt: skip
    record = study("reliability_faults", [row])
    assert records.validate(record) == []
    (table,) = study_tables([record])
    assert table.rows == [["fault", 3, 1, 0, 2, 1, "a"]]


def test_a_part_of_the_faults_keeps_the_rows_of_the_others(tmp_path: Path) -> None:
    old = [{"fault": "a", "times": 1}, {"fault": "b", "times": 1}]
    new = [{"fault": "a", "times": 2}]
    assert with_others(new, tmp_path / "record.json") == new
    records.write(study("reliability_faults", old), tmp_path / "record.json")
    assert with_others(new, tmp_path / "record.json") == [new[0], old[1]]


def test_a_cell_is_lost_if_it_is_gone_or_another_but_not_if_it_had_failed() -> None:
    done = accuracy_record("rte", "dense", "exact", 60.0)
    failed = done | {"status": "failed", "error": "why"}
    before = {"a": done, "b": done, "c": done, "d": failed}
    assert lost(before, {"a": done, "b": done | {"float": 61.0}, "d": done}) == 2


def test_an_orphan_is_seen_and_ended(tmp_path: Path) -> None:
    run = Run(["sh", "-c", "sleep 60 & echo started"], tmp_path)
    assert run.end(10) == 0
    assert "started" in run.said
    assert len(run.members()) == 1
    assert run.orphans(grace=0.1) == 1
    assert not run.members()
