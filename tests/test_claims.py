"""Claims are judged by cells of tables, and a list of them that makes no sense is one sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pibench.errors import InputError
from pibench.results import claims
from pibench.results.claims import FAILS, HOLDS, MISSING_VALUE, UNTESTABLE, Claim, judge
from pibench.results.records import RESULTS, read_all
from pibench.results.render import Column, Table
from pibench.results.tables import all_tables

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = [Column("method", ""), Column("seeds", ""), Column("loss", "")]
ROWS = [["ig3d", 1, 2.0], ["aero", 3, 5.0], ["late", 1, None], ["broken", 1, "failed"]]
TABLE = Table("glue", "", pd.DataFrame(ROWS, columns=[column.key for column in COLUMNS]), COLUMNS, [])


def claim(expected: float, relation: str, method: str = "ig3d", **more: object) -> Claim:
    given = {"table": "glue", "row": {"method": method}, "column": "loss", "command": "nox"}
    return Claim("c", "us", "what", expected=expected, relation=relation, **(given | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("judged", "value", "verdict"),
    [
        (claim(2.3, "at most"), 2.0, HOLDS),
        (claim(1.9, "at most"), 2.0, FAILS),
        (claim(1.9, "at most", tolerance=0.1), 2.0, HOLDS),
        (claim(2.1, "at least"), 2.0, FAILS),
        (claim(2.1, "at least", tolerance=0.2), 2.0, HOLDS),
        (claim(2.5, "about", tolerance=0.4), 2.0, FAILS),
        (claim(1.5, "about", tolerance=0.4), 2.0, FAILS),
        (claim(1.7, "about", tolerance=0.4), 2.0, HOLDS),
        (claim(0, "at most", over={"method": "aero", "seeds": 3}), -3.0, HOLDS),
        (claim(0, "at most", method="nobody's"), None, MISSING_VALUE),
        (claim(0, "at most", method="late"), None, MISSING_VALUE),
        (claim(0, "at most", method="broken"), None, MISSING_VALUE),
        (claim(0, "at most", table="another"), None, MISSING_VALUE),
        (Claim("c", "us", "what", untestable="why"), None, UNTESTABLE),
    ],
)
def test_verdicts(judged: Claim, value: float | None, verdict: str) -> None:
    assert judge(judged, {"glue": TABLE}) == (value, verdict)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"column": "gain"}, "no column 'gain'"),
        ({"row": {"seeds": 1}}, "3 rows of table glue match"),
    ],
)
def test_a_claim_about_no_cell_or_about_several_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        judge(claim(0, "about", **changes), {"glue": TABLE})


def test_every_claim_of_the_list_is_judged_by_the_committed_records() -> None:
    tables = all_tables(read_all(ROOT / RESULTS / "records"))
    verdicts = {row[0]: row[5] for row in claims.claims_table(claims.load(ROOT / claims.CLAIMS), tables).rows}
    assert MISSING_VALUE not in verdicts.values()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[claim]]", "lacks column, command, id, row, source, table, text"),
        ('[[claim]]\nid="a"\nsource="b"\ntext="c"\nuntestable="d"\nexpcted=1', "has the unknown field 'expcted'"),
        ('[[claim]]\nid="a"\nsource="b"\ntext="c"\nuntestable="d"\nexpected="1"', "which is not valid"),
        ('[[claim]]\nid="a"\nsource="b"\ntext="c"\nuntestable="d"\nrelation="over"', "unknown relation 'over'"),
        ("claims = 1", "not a list of claims"),
        ("[[claim", "not a list of claims"),
    ],
)
def test_a_list_that_makes_no_sense_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(words)) as refusal:
        claims.load(path)
    assert "\n" not in str(refusal.value)


def test_every_command_of_the_list_is_one_of_ours() -> None:
    text = (ROOT / "noxfile.py").read_text()
    sessions = set(re.findall(r"@nox\.session.*?\ndef (\w+)\(", text, re.DOTALL))
    studies = set(re.findall(r'^    "(\w+)": \(', text, re.MULTILINE))
    found = claims.load(ROOT / claims.CLAIMS)
    assert len({one.id for one in found}) == len(found) > 10
    for one in found:
        if one.untestable:
            continue
        nox, option, session, *rest = one.command.split()
        assert (nox, option) == ("nox", "-s") and session in sessions
        assert session != "studies" or rest[1] in studies


def test_the_table_says_what_was_expected_and_what_was_measured() -> None:
    rows = claims.claims_table([claim(2.3, "at most", tolerance=0.5)], [TABLE]).rows
    assert rows[0][3:6] == ["at most 2.3 (tolerance 0.5)", 2.0, HOLDS]
