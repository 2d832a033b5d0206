"""Files of one's own: how they may be stored, what is refused, and how a validation split is cut from one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pibench.errors import InputError
from pibench.tasks import files, sources
from pibench.tasks.own import cut, load_own
from pibench.tasks.task import Examples, Hub, Own, RawTask, Task

MOODS = ("bad", "fair", "good")
ROWS = [(f"text {i}", MOODS[i % 3]) for i in range(30)]


def csv(rows: list[tuple[str, str]], separator: str = ",", header: str = "text,mood") -> bytes:
    lines = [header.replace(",", separator), *(f"{text}{separator}{mood}" for text, mood in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def json_lines(rows: list[tuple[str, str]]) -> bytes:
    return "".join(json.dumps({"text": text, "mood": mood}) + "\n" for text, mood in rows).encode()


def load(file: Path, task: Task | None = None, validation: Path | None = None, share: float = 0.2) -> RawTask:
    task = task or Task("moods", ("text",), 3, ("accuracy",), label="mood", classes=MOODS, suite="own")
    return load_own(task, Own(Path("moods.toml"), str(file), validation and str(validation), share, 0))


def scores(low: float, high: float) -> Task:
    return Task("moods", ("text",), 1, ("pearson",), label="mood", scores=(low, high))


def as_written(file: Path) -> set[tuple[str, str]]:
    raw = load(file)
    both = [zip(split.texts, split.labels, strict=True) for split in (raw.train, raw.validation)]
    found = [*both[0], *both[1]]
    assert len(found) == len(set(found))
    return {(texts[0], MOODS[int(label)]) for texts, label in found}


QUOTED = [('a, "b";\tc', "bad"), ("two\nlines", "fair"), ("café", "good")]
ESCAPED = [(f'"{text.replace(chr(34), 2 * chr(34))}"', mood) for text, mood in QUOTED]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", csv(ROWS + ESCAPED)),
        ("a.CSV", csv(ROWS + ESCAPED).replace(b"\n", b"\r\n").replace(b"two\r\n", b"two\n")),
        ("bom.csv", b"\xef\xbb\xbf" + csv(ROWS + ESCAPED)),
        ("semicolon.csv", csv(ROWS + ESCAPED, ";")),
        ("tab.csv", csv(ROWS + ESCAPED, "\t")),
        ("a.tsv", csv(ROWS + ESCAPED, "\t")),
        ("spaces.csv", csv(ROWS + ESCAPED, header="text, mood")),
        ("a.jsonl", json_lines(ROWS + QUOTED)),
        ("bom.ndjson", b"\xef\xbb\xbf" + json_lines(ROWS + QUOTED)),
    ],
)
def test_every_kind_of_file_gives_the_same_examples(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert as_written(tmp_path / name) == set(ROWS + QUOTED)


def test_texts_that_are_numbers_stay_texts(tmp_path: Path) -> None:
    rows = [(f"0{i}", mood) for i, (_, mood) in enumerate(ROWS)]
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + csv(rows))
    assert as_written(tmp_path / "a.csv") == set(rows)


def test_a_text_of_several_lines_may_be_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_BLOCK", 120)
    rows = [(f"text {i}\nand more", mood) for i, (_, mood) in enumerate(ROWS)]
    (tmp_path / "a.csv").write_bytes(csv([(f'"{text}"', mood) for text, mood in rows]))
    assert as_written(tmp_path / "a.csv") == set(rows)


def test_parquet_is_read_too(tmp_path: Path) -> None:
    texts, moods = zip(*(ROWS + QUOTED), strict=True)
    pq.write_table(pa.table({"text": texts, "mood": moods, "more": [1.5] * 33}), tmp_path / "a.parquet")
    assert as_written(tmp_path / "a.parquet") == set(ROWS + QUOTED)


GOOD = csv(ROWS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", csv([(text, "bad") for text, _ in ROWS]), r"every label of .*a\.csv is 'bad': use a split with more"),
        ("a.csv", csv([*ROWS, ("x", "")]), r"row 30 of .*a\.csv has no label: add it, or remove the row"),
        ("a.jsonl", json_lines(ROWS) + b'{"text": "x"}\n', r"row 30 of .*a\.jsonl has no label"),
        ("a.jsonl", b'{"text": "x", "mood": null}\n', r"row 0 of .*a\.jsonl has no label"),
        ("a.csv", csv(ROWS, header="text,moods"), r"a\.csv lacks the column 'mood': it has text, moods"),
        ("a.csv", csv(ROWS, header="test,mood"), r"a\.csv lacks the column 'text': it has test, mood"),
        ("a.csv", b"text,mood,mood\nx,bad,bad\n", r"a\.csv has more than one column 'mood': rename or remove"),
        ("a.csv", b"text,mood,text\nx,bad,y\n", r"a\.csv has more than one column 'text': rename or remove"),
        ("a.csv", csv([*ROWS, ("y" * 10_000_000, "bad")]), r"text in row 30 of .*a\.csv has 10000000 characters"),
        ("a.csv", b"y" * 10_000_000, r"first line of .*a\.csv has 100000 characters or more: name its columns"),
        ("a.jsonl", json_lines([*ROWS, ("y" * 10_000_000, "bad")]), r"text in row 30 of .* has 10000000 characters"),
        ("a.csv", "text,mood\ncafé,bad\n".encode("latin1"), r"a\.csv is not in UTF-8: save it again"),
        ("a.csv", csv(ROWS * 2000) + "café,bad\n".encode("latin1"), r"a\.csv is not in UTF-8"),
        ("a.jsonl", '{"text": "café", "mood": "bad"}\n'.encode("latin1"), r"a\.jsonl is not in UTF-8"),
        ("a.csv", GOOD.decode().encode("utf-16"), r"a\.csv is not in UTF-8"),
        ("a.csv", b"", r"a\.csv is empty: use a file with examples"),
        ("a.csv", b"text,mood\n", r"a\.csv is empty: use a split with examples"),
        ("a.txt", GOOD, r"a\.txt is of an unknown type: use a file that ends in \.csv, \.tsv, \.jsonl"),
        ("a.csv", GOOD + b'"open,bad\nmore,good\n', r"a\.csv is not readable as csv: export it again \(.*Expected 2"),
        ("a.csv", GOOD + b"a,b,bad\n", r"a\.csv is not readable as csv: .*Expected 2 columns, got 3: a,b,bad"),
        ("a.jsonl", b"[1, 2]", r"a\.jsonl is not readable as jsonl: export it again"),
        ("a.parquet", b"PAR1", r"a\.parquet is not readable as parquet"),
        ("a.csv", csv([*ROWS, ("x", "goood")]), r"unknown label \(row 30 of .*\) 'goood': did you mean 'good'"),
        ("a.csv", csv([("  ", mood) for _, mood in ROWS]), r"column 'text' of .* holds only empty texts"),
        (
            "a.csv",
            csv([*ROWS[:29], ROWS[1], ROWS[1]]).replace(b"bad", b"fair") + b"rare,bad\n",
            r"1 with the label 'bad'",
        ),
        ("a.csv", csv(ROWS[:3]), r"moods has too few different texts to cut 0\.2 of them for validation .*3 in all"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_two_columns_of_labels_are_refused_where_classes_are_not_named_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,mood,mood\nx,bad,bad\n")
    with pytest.raises(InputError, match="has more than one column 'mood'"):
        load(tmp_path / "a.csv", Task("moods", ("text",), 3, ("accuracy",), label="mood"))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.csv is missing: correct its name"):
        load(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("7.5", r"label in row 20 of .* is 7\.5, outside -1 to 5: correct it"),
        ("nan", r"label in row 20 of .* is nan, outside -1 to 5"),
        ("high", r"label in row 20 of .* is 'high', not a number: correct it"),
        ("3,5", r"not readable as csv: .*got 3"),
    ],
)
def test_a_bad_score_is_one_sentence(tmp_path: Path, label: str, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(csv([*((f"t {i}", str(i / 4)) for i in range(20)), ("x", label)]))
    with pytest.raises(InputError, match=message):
        load(tmp_path / "a.csv", scores(-1, 5))


def test_a_validation_file_is_taken_as_it_is_and_may_have_no_other_class(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(csv([row for row in ROWS if row[1] != "good"]))
    (tmp_path / "validation.jsonl").write_bytes(json_lines([("x", "bad"), ("text 1", "fair")]))
    raw = load(tmp_path / "train.csv", validation=tmp_path / "validation.jsonl")
    assert (raw.validation.texts, raw.validation.labels) == ((("x",), ("text 1",)), (0, 1))
    assert raw.notes == (
        "moods: 1 of 2 validation examples have the texts of a training example.",
        "moods: no training example has the label 'good'.",
    )
    (tmp_path / "validation.jsonl").write_bytes(json_lines([("x", "good"), ("y", "fair")]))
    with pytest.raises(InputError, match="no training example of moods has the label 'good', which validation"):
        load(tmp_path / "train.csv", validation=tmp_path / "validation.jsonl")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (("10", "9", "-1"), ("-1", "9", "10")),
        (("c", "a", "B"), ("B", "a", "c")),
        (("--1", "2", "1"), ("--1", "1", "2")),
        (("1", "x", "10"), ("1", "10", "x")),
    ],
)
def test_classes_without_names_are_sorted(tmp_path: Path, labels: tuple[str, ...], classes: tuple[str, ...]) -> None:
    (tmp_path / "a.csv").write_bytes(csv([(f"t {i}", labels[i % 3]) for i in range(30)]))
    task = Task("moods", ("text",), 3, ("accuracy",), label="mood")
    assert load(tmp_path / "a.csv", task).task.classes == classes
    with pytest.raises(InputError, match=r"a\.csv has 3 classes \(.*\), and moods\.toml says 4"):
        load(tmp_path / "a.csv", Task("moods", ("text",), 4, ("accuracy",), label="mood"))


@pytest.mark.parametrize("values", [[True, False], [0, 1], [0.0, 1.0]], ids=str)
def test_labels_of_parquet_may_be_of_any_type(tmp_path: Path, values: list[object]) -> None:
    rows = [values[i % 2] for i in range(20)]
    pq.write_table(pa.table({"text": [f"t {i}" for i in range(20)], "mood": rows}), tmp_path / "a.parquet")
    task = load(tmp_path / "a.parquet", Task("moods", ("text",), 2, ("accuracy",), label="mood")).task
    assert task.classes == (("false", "true") if values[0] is True else ("0", "1"))


def made(labels: list[float], text: Callable[[int], str] = str) -> Examples:
    return Examples(tuple((text(index),) for index in range(len(labels))), tuple(labels))


CLASSES = Task("moods", ("text",), 3, ("accuracy",))


def test_a_cut_is_stratified() -> None:
    examples = made([0] * 100 + [1] * 60 + [2] * 40)
    train, validation = cut(CLASSES, examples, 0.1, 0)
    assert Counter(validation.labels) == {0: 10, 1: 6, 2: 4}
    assert {*train.texts, *validation.texts} == set(examples.texts)
    assert len(train) + len(validation) == 200


def test_a_cut_of_scores_has_their_distribution() -> None:
    rising = [float(score**3) for score in range(200)]
    _, validation = cut(scores(0, 1e9), made(rising), 0.1, 0)
    tenths = np.searchsorted(np.array(rising), validation.labels, side="right") - 1
    assert Counter((tenths // 20).tolist()) == dict.fromkeys(range(10), 2)


def test_a_cut_depends_on_the_seed_and_not_on_the_order_of_rows() -> None:
    examples = made([index % 3 for index in range(90)])
    backwards = examples.only(range(89, -1, -1))
    first = cut(CLASSES, examples, 0.2, 0)[1]
    assert set(cut(CLASSES, backwards, 0.2, 0)[1].texts) == set(first.texts)
    assert set(cut(CLASSES, examples, 0.2, 1)[1].texts) != set(first.texts)


def test_equal_texts_go_to_one_side() -> None:
    examples = made([index % 3 for index in range(120)], lambda index: str(index % 30))
    train, validation = cut(CLASSES, examples, 0.2, 0)
    assert not set(train.texts) & set(validation.texts)
    assert (len(train), len(validation)) == (96, 24)


def test_a_data_set_of_the_hub_is_read_by_its_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    texts, moods = zip(*ROWS, strict=True)
    splits = {"all": datasets.Dataset.from_dict({"text": texts, "mood": moods})}
    monkeypatch.setattr(sources, "reachable", lambda hub: True)
    monkeypatch.setattr(sources, "_download", lambda hub: splits)
    own = Own(Path("m.toml"), "all", None, 0.2, 0)
    about: dict[str, Any] = {"label": "mood", "suite": "moods", "hub": Hub("them/moods", "default", "main"), "own": own}
    task = Task("m", ("text",), 3, ("accuracy",), **about)
    raw = load_own(task, own)
    assert (len(raw.train), len(raw.validation), raw.source) == (24, 6, "moods")
    with pytest.raises(InputError, match="them/moods default has no split 'test': it has all"):
        load_own(task, replace(own, validation="test"))
    monkeypatch.setattr(sources, "reachable", lambda hub: False)
    with pytest.raises(InputError, match=r"them/moods on the Hugging Face hub is out of reach and .*: connect\.$"):
        load_own(task, own)
