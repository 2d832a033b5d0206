"""Which records are not fit to be cited, and how they are signed off."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pibench.results import claims, figures, page, records, tables
from pibench.results import signature as check_results
from pibench.results.refusal import refusals
from pibench.testing.made_up import ENVIRONMENT
from tests.test_studies import study as study_record
from tests.test_tables import study


def sound() -> list[dict[str, Any]]:
    """Return a study whose latencies have eight pairs each."""
    found = study()
    for record in found:
        for run in (record, record.get("baseline")):
            if run and run.get("seconds"):
                run["seconds"], run["compute_seconds"] = run["seconds"][:1] * 8, run["compute_seconds"][:1] * 8
    return found


def test_a_sound_study_is_refused_nothing() -> None:
    assert refusals(sound()) == []


@pytest.mark.parametrize(
    ("index", "changes", "words"),
    [
        (0, {"environment": ENVIRONMENT | {"dirty": True}}, "1 records, first dense/exact on rte (seed 0), come from"),
        (8, {"environment": ENVIRONMENT | {"dirty": None, "commit": None}}, "uncommitted changes or from no repo"),
        (8, {"seconds": [1.0] * 7, "compute_seconds": [1.0] * 7, "baseline": None}, "with 7 pairs, have fewer than 8"),
        (0, {"backbone": "bert-large"}, "do not belong in one table: backbone"),
        (0, {"environment": ENVIRONMENT | {"packages": {"torch": "9.9"}}}, "installed packages"),
        (8, {"environment": ENVIRONMENT | {"packages": {"torch": "9.9"}}}, "installed packages"),
        (0, {"schema_version": 1}, "schema_version"),
        (0, {"environment": ENVIRONMENT | {"commit": None}}, "uncommitted changes or from no repo"),
        (0, {"data_fingerprint": None}, "first dense/exact on rte (seed 0), do not name their data"),
        (0, {"environment": ENVIRONMENT | {"threads": 7}}, "machine class"),
        (0, {"switches": {"raw_sockets": True, "prefetch": False, "fraction_bits": 26}}, "switches"),
    ],
)
def test_each_refusal_has_its_reason(index: int, changes: dict[str, Any], words: str) -> None:
    made_up = sound()
    made_up[index] = made_up[index] | changes
    (reason,) = refusals(made_up)
    assert words in reason
    assert "\n" not in reason


def test_other_packages_at_another_seed_are_no_mixture() -> None:
    """Losses are taken seed by seed, so that a seed may come from another machine."""
    made_up = sound()
    twin = {"seed": 1, "environment": ENVIRONMENT | {"packages": {"torch": "9.9"}}}
    assert refusals([*made_up, made_up[0] | twin | {"budget": made_up[0]["budget"] | {"seed": 1}}]) == []


def test_two_studies_of_one_name_are_refused() -> None:
    (reason,) = refusals([*sound(), study_record("language", [{"a": 1}]), study_record("language", [{"a": 2}])])
    assert "the study language appears twice" in reason


@pytest.mark.parametrize("program", [tables.main, claims.main, page.main, figures.main])
def test_nothing_is_made_of_what_is_not_fit_unless_it_is_a_draft(
    program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, [record | {"environment": ENVIRONMENT | {"dirty": True}} for record in sound()])
    own = ["--records", str(tmp_path / "records")]
    own += [] if program is claims.main else ["--output", str(tmp_path / "made")]
    assert program(own) == 2
    assert "uncommitted changes" in capsys.readouterr().err
    assert program([*own, "--draft"]) == 0


NETWORK = {"link": "wan", "setup": "lean", "bytes_total": 9, "rounds": 9, "seconds": [2.0, 4.0], "modelled": 3.3}


def write(folder: Path, found: list[dict[str, Any]]) -> list[Path]:
    paths = [folder / "records" / records.file_name(record) for record in found]
    for record, path in zip(found, paths, strict=True):
        records.write(record, path)
    return paths


def test_tables_refuse_what_is_not_fit_unless_it_is_a_draft(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, study())
    arguments = ["--records", str(tmp_path / "records"), "--output", str(tmp_path / "tables")]
    assert tables.main(arguments) == 2
    said = capsys.readouterr().err
    assert "have fewer than 8" in said and "--draft" in said and said.count("\n") == 1
    assert tables.main([*arguments, "--draft"]) == 0


@pytest.mark.parametrize("dirty", [False, None])
def test_a_record_without_a_commit_is_refused_and_named_in_a_draft(
    dirty: bool | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = {"environment": ENVIRONMENT | {"commit": None, "dirty": dirty}}
    write(tmp_path, [*sound()[1:], sound()[0] | nowhere, study_record("network", [NETWORK]) | nowhere])
    own = ["--records", str(tmp_path / "records"), "--output", str(tmp_path / "tables")]
    assert tables.main(own) == 2
    assert "come from a tree with uncommitted changes or from no repository" in capsys.readouterr().err
    assert tables.main([*own, "--draft"]) == 0
    for name in ("glue", "accuracy", "choice", "matrix"):
        text = (tmp_path / "tables" / f"{name}.md").read_text()
        assert "commit 0123456789ab, unknown;" in text
        assert re.search(r"^- 1 of \d+ records come from no known commit", text, re.MULTILINE)
    assert "commit unknown;" in (tmp_path / "tables" / "engine_network.md").read_text()


def test_signed_records_are_checked_one_by_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = write(tmp_path, sound())
    own = ["--results", str(tmp_path)]
    assert check_results.main(own) == 1
    assert "is missing" in capsys.readouterr().err
    assert check_results.main([*own, "--sign"]) == 0
    assert check_results.main(own) == 0
    paths[0].write_text(paths[0].read_text().replace("2026", "2025"))
    paths[-1].unlink()
    capsys.readouterr()
    assert check_results.main(own) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert any("was changed after" in line for line in said) and any("was removed after" in line for line in said)


def test_what_is_refused_is_not_signed(tmp_path: Path) -> None:
    write(tmp_path, study())
    assert check_results.main(["--results", str(tmp_path), "--sign"]) == 1
    assert not (tmp_path / check_results.SIGNATURE).exists()
