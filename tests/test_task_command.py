"""``pibench task``: guesses about files, checks of descriptions, and the example of docs/own-data.md."""

from __future__ import annotations

import contextlib
import re
import shutil
import textwrap
import tomllib
from pathlib import Path

import pytest

from pibench.cli.main import main
from pibench.errors import InputError
from pibench.tasks import registry
from pibench.tasks.describe import describe
from pibench.tasks.glue import DATASET
from pibench.tasks.guess import guess
from pibench.tasks.registry import TASKS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs" / "own-data.md").read_text("utf-8")
METRIC_NAMES = {"Matthews": "matthews", "F1": "f1", "Pearson": "pearson", "Spearman": "spearman"}


@pytest.fixture(autouse=True)
def no_tasks_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.DESCRIBED, "_read", {})
    monkeypatch.delenv(registry.FOLDER, raising=False)


def blocks(language: str) -> list[str]:
    """Return the code blocks of the document."""
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", DOCUMENT, flags=re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(body) for name, body in found if name == language]


def guessed(folder: Path, name: str, header: str, rows: list[str], **options: object) -> dict[str, object]:
    (folder / name).write_text("\n".join([header, *rows]) + "\n")
    return tomllib.loads(guess(folder / name, folder, **options).text)


def test_the_example_of_the_document_runs_as_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(ROOT / "examples" / "reviews" / "reviews.csv", tmp_path)
    path = tmp_path / "reviews.toml"
    assert main(["task", "new", str(tmp_path / "reviews.csv")]) == 0
    new = tomllib.loads(path.read_text())
    mine = tomllib.loads(blocks("toml")[0])
    assert new | {"data": mine["data"], "metrics": mine["metrics"]} == mine
    assert (ROOT / "examples" / "reviews" / "reviews.toml").read_text() == blocks("toml")[0]
    path.write_text(blocks("toml")[0])
    capsys.readouterr()
    assert main(["task", "check", str(path)]) == 0
    rows, said, _ = blocks("")
    assert capsys.readouterr().out == said
    assert (tmp_path / "reviews.csv").read_text().startswith(rows)
    (tmp_path / "hub.toml").write_text(blocks("toml")[1])
    assert describe(tmp_path / "hub.toml").suite == "imdb"


def test_the_document_lists_the_tasks_of_glue_as_they_are() -> None:
    assert DATASET.endswith("glue")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in DOCUMENT.splitlines() if "|" in line]
    found = {name.strip("`"): rest for name, *rest in rows if name.strip("`") in TASKS}
    assert found.keys() == set(TASKS)
    for name, (texts, labels, metrics) in found.items():
        task = TASKS[name]
        assert tuple(re.findall(r"`(\w+)`", texts)) == task.columns
        assert tuple(METRIC_NAMES.get(metric, metric) for metric in metrics.split(", ")) == task.metrics
        ids = re.findall(r"\b\d\b", labels)
        assert ids == (["0", "5"] if task.regression else [str(label) for label in range(task.outputs)])


def test_the_document_explains_every_key() -> None:
    from pibench.tasks.describe import _KEYS

    explained = re.findall(r"^\| (`.*?`) \| (?:yes|no|this)", DOCUMENT, flags=re.MULTILINE)
    assert {key for cell in explained for key in re.findall(r"`(\w+)`", cell)} == set(_KEYS)


def test_two_texts_and_numbers_with_a_point_are_guessed_as_scores(tmp_path: Path) -> None:
    rows = [f"{i},first text {i},second text {i},x,{i / 8 - 1}" for i in range(80)]
    found = guessed(tmp_path, "My pairs.csv", "id,one,two,genre,score", rows)
    assert (found["name"], found["texts"], found["label"]) == ("my_pairs", ["one", "two"], "score")
    assert (found["scores"], found["metrics"]) == ([-1, 9], ["pearsonr", "spearmanr"])


def test_uneven_classes_are_scored_by_f1_as_well(tmp_path: Path) -> None:
    rows = [f"a text {i};{'no' if i % 4 else 'yes'}" for i in range(40)]
    found = guessed(tmp_path, "mails.csv", "body;spam", rows)
    assert (found["texts"], found["label"], found["classes"]) == (["body"], "spam", ["no", "yes"])
    assert found["metrics"] == ["accuracy", "f1"]
    even = guessed(tmp_path, "even.csv", "body;spam", [f"a text {i};{i % 2}" for i in range(40)])
    assert (even["classes"], even["metrics"]) == (["0", "1"], ["accuracy"])


def test_many_classes_are_counted(tmp_path: Path) -> None:
    found = guessed(tmp_path, "a.csv", "text,label", [f"a text {i},intent{i % 77}" for i in range(154)])
    assert found["classes"] == 77


def test_named_columns_win(tmp_path: Path) -> None:
    rows = [f"a text {i},{i % 2},{i % 3}" for i in range(30)]
    found = guessed(tmp_path, "a.csv", "long,label,other", rows, texts=["other"], label="label")
    assert (found["texts"], found["label"]) == (["other"], "label")
    with pytest.raises(InputError, match="unknown column 'lable': did you mean 'label'"):
        guess(tmp_path / "a.csv", tmp_path, label="lable")


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (
            "text,more",
            [f"a text {i},other {i}" for i in range(20)],
            r"no column of .* looks like a label: name it with",
        ),
        ("text,label", [f"{i},{i % 2}" for i in range(20)], r"no column of .* looks like text: name one or two with"),
        ("text,label", [f"a text {i},a" for i in range(20)], "has fewer than two different labels"),
        ("text,label,text", ["a b,c,d"], r"two columns of .* have the same name: rename or remove one"),
    ],
)
def test_what_cannot_be_guessed_is_one_sentence(tmp_path: Path, header: str, rows: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        guessed(tmp_path, "a.csv", header, rows)


def test_a_folder_has_both_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mails"
    folder.mkdir()
    for name, count in (("train.tsv", 20), ("dev.tsv", 6)):
        rows = [f"{name} text {i}\t{i % 2}" for i in range(count)]
        (folder / name).write_text("\n".join(["text\tlabel", *rows]))
    assert main(["task", "new", str(folder)]) == 0
    found = tomllib.loads((tmp_path / "mails.toml").read_text())
    assert (found["train"], found["validation"], found["name"]) == ("mails/train.tsv", "mails/dev.tsv", "mails")
    assert main(["task", "check", str(tmp_path / "mails.toml")]) == 0
    assert "training: 20 examples; '0' 10, '1' 10\nvalidation: 6 examples" in capsys.readouterr().out
    (tmp_path / "mails.toml").unlink()
    with contextlib.chdir(folder):
        assert main(["task", "new", "."]) == 0
    assert tomllib.loads((tmp_path / "mails.toml").read_text()) == found
    (folder / "train.tsv").rename(folder / "first.tsv")
    assert main(["task", "new", str(folder), "--output", str(tmp_path / "other.toml")]) == 2
    assert "holds 2 files of examples: name one of them, or call them train and valid" in capsys.readouterr().err


def test_nothing_is_overwritten_and_bad_data_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "examples" / "reviews", tmp_path, dirs_exist_ok=True)
    assert main(["task", "new", str(tmp_path / "reviews.csv")]) == 2
    assert "reviews.toml exists already: remove it, or name another file" in capsys.readouterr().err
    (tmp_path / "reviews.csv").write_text("review,mood\nfine,god\n")
    assert main(["task", "check", str(tmp_path / "reviews.toml")]) == 2
    assert "unknown label (row 0 of " in capsys.readouterr().err
    assert main(["task", "check", "rte"]) == 2
    assert "rte is no TOML file" in capsys.readouterr().err


def test_a_check_of_scores_shows_their_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    guessed(tmp_path, "a.csv", "text,score", [f"a text {i},{i / 8}" for i in range(80)])
    assert main(["task", "new", str(tmp_path / "a.csv")]) == 0
    assert main(["task", "check", str(tmp_path / "a.toml")]) == 0
    said = capsys.readouterr().out
    assert "task a: scores from 0 to 10; score: mean of pearson, spearman; tables call the data 'own'" in said
    assert re.search(r"training: 72 examples; scores 0\S* to 9\.\d+, median", said)
