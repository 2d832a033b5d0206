"""Names and notes are shown as they are, whatever signs they hold."""

import csv
import io
import re
from pathlib import Path

import pandas as pd

from pibench.results.evidence import join
from pibench.results.headline import headline
from pibench.results.records import file_name, write
from pibench.results.render import Column, Table, render
from pibench.results.tables import main
from tests.test_tables import study

HOSTILE = ["a|b", "two\nlines", "{set}", "=1+1", "<b>", "a\\", "&lt;", "-x", "@sum", "+1", "50 %", "\t=2", "$x_1^2$ #~"]


def hostile() -> Table:
    """Return a table whose title, headings, cells and notes hold signs that mean something to some format."""
    frame = pd.DataFrame({"a": HOSTILE, "=b": -1.0})
    return Table("t", "A\n<i>title</i>", frame, [Column("a", "x|y"), Column("=b", "<u>", 1)], ["a\n\n# note", "<s>|"])


def test_a_name_breaks_no_markdown_table() -> None:
    title, _, heading, rule, *lines = render(hostile(), "md").splitlines()
    body, notes = lines[: len(HOSTILE)], lines[len(HOSTILE) :]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in (heading, *body)]
    assert title == "### A &lt;i>title&lt;/i>"
    assert cells[0] == ["x\\|y", "&lt;u>"]
    assert [cell for cell, _ in cells[1:]] == [
        *("a\\|b", "two lines", "{set}", "=1+1", "&lt;b>", "a\\\\", "&amp;lt;", "-x", "@sum", "+1", "50 %", "=2"),
        "$x_1^2$ #~",
    ]
    assert {number for _, number in cells[1:]} == {"-1.0"}
    assert rule.count("|") == 3 and notes == ["", "- a # note", "- &lt;s>\\|"]


def test_a_note_does_not_end_the_place_of_its_table_in_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- table glue -->\nold\n<!-- end -->\nb\n")
    for record in (made_up := study()):
        if record["kind"] == "accuracy":
            record["variant"] = record["variant"].replace("within", "a <!-- end -->")
        write(record, tmp_path / "records" / file_name(record))
    own = ["--draft", "--records", str(tmp_path / "records"), "--output", str(tmp_path), "--page", str(page)]
    assert (main(own), main([*own, "--check"])) == (0, 0)
    assert page.read_text() == f"a\n<!-- table glue -->\n{render(headline(join(made_up)), 'md')}<!-- end -->\nb\n"


def test_a_name_breaks_no_latex_table() -> None:
    lines = render(hostile(), "tex").splitlines()
    assert (lines[0], lines[-2:]) == ("% A <i>title</i>", ["% a # note", "% <s>|"])
    body = [line[: -len("& -1.0 \\\\")].strip(" &") for line in lines if line.endswith("-1.0 \\\\")]
    assert len(body) == len(HOSTILE)
    assert body[6] == r"\&lt;"
    assert body[1:5] == ["two lines", r"\{set\}", "=1+1", r"\ensuremath{<}b\ensuremath{>}"]
    assert body[-1] == r"\$x\_1\^{}2\$ \#\textasciitilde{}"


def test_a_spreadsheet_computes_no_name() -> None:
    found = list(csv.reader(io.StringIO(render(hostile(), "csv"))))
    assert found[0] == ["a", "'=b"]
    shown = [
        "a|b",
        "two lines",
        "{set}",
        "'=1+1",
        "<b>",
        "a\\",
        "&lt;",
        "'-x",
        "'@sum",
        "'+1",
        "50 %",
        "'=2",
        "$x_1^2$ #~",
    ]
    assert [row[0] for row in found[1:]] == shown
    assert {row[1] for row in found[1:]} == {"-1"}  # a number stays a number
