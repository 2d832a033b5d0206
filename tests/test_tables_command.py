"""``pibench tables``: files written, checked, and set into pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibench.results import records, tables
from tests.test_tables import study


def write_study(folder: Path) -> None:
    for record in study():
        records.write(record, folder / records.file_name(record))


def test_write_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_study(tmp_path / "records")
    arguments = ["--records", str(tmp_path / "records"), "--output", str(tmp_path / "tables"), "--draft"]
    assert tables.main([*arguments, "--check"]) == 1
    assert "glue.csv" in capsys.readouterr().err
    assert not (tmp_path / "tables").exists()
    assert tables.main(arguments) == 0
    names = {path.name for path in (tmp_path / "tables").iterdir()}
    stems = ("glue", "choice", "matrix", "accuracy", "latency", "communication", "field", "reported")
    assert names == {f"{stem}.{form}" for stem in stems for form in ("md", "tex", "csv")}
    assert tables.main([*arguments, "--check"]) == 0
    (tmp_path / "tables" / "latency.md").write_text("typed by hand")
    capsys.readouterr()
    assert tables.main([*arguments, "--check"]) == 1
    message = capsys.readouterr().err
    assert "latency.md" in message and "glue.csv" not in message


def test_bad_input_is_one_line_and_exit_status_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    write_study(tmp_path / "records")
    for folder, output in (("absent", "x"), ("empty", "x"), ("records", "file")):
        assert tables.main(["--records", str(tmp_path / folder), "--output", str(tmp_path / output), "--draft"]) == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ") and message.count("\n") == 1


def test_command_line_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        tables.main(["--help"])
    text = capsys.readouterr().out
    assert "--check" in text and "results/v1/records" in text


def test_a_page_shows_the_table_between_its_marks_and_keeps_the_rest(tmp_path: Path) -> None:
    write_study(tmp_path / "records")
    page = tmp_path / "README.md"
    rest = "after\n<!-- table unknown -->\nkept\n<!-- end -->\n"
    page.write_text(f"before\n<!-- table glue -->\nold\n<!-- end -->\n{rest}")
    arguments = [
        "--records",
        str(tmp_path / "records"),
        "--output",
        str(tmp_path / "tables"),
        "--page",
        str(page),
        "--draft",
    ]
    assert tables.main(arguments) == 0
    glue = (tmp_path / "tables" / "glue.md").read_text()
    assert page.read_text() == f"before\n<!-- table glue -->\n{glue}<!-- end -->\n{rest}"
    assert tables.main([*arguments, "--check"]) == 0
    page.write_text(page.read_text().replace("dense", "typed by hand"))
    assert tables.main([*arguments, "--check"]) == 1
