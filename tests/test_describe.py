"""Descriptions of data of one's own in TOML: what they make, what is refused, and how commands find them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibench.cli.executors import Job
from pibench.cli.main import main
from pibench.errors import InputError
from pibench.measure.options import read
from pibench.measure.plan import Plan
from pibench.tasks import registry
from pibench.tasks.describe import describe
from pibench.tasks.load import load, sizes
from pibench.tasks.registry import TASKS, task_argument, task_name
from pibench.tasks.task import Hub

BASE: dict[str, str] = {
    "name": '"mine"',
    "train": '"train.csv"',
    "validation": '"validation.csv"',
    "texts": '["text"]',
    "label": '"kind"',
    "classes": '["no", "yes"]',
    "metrics": '["accuracy"]',
}


@pytest.fixture(autouse=True)
def no_tasks_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.DESCRIBED, "_read", {})
    monkeypatch.delenv(registry.FOLDER, raising=False)


def write(folder: Path, file: str = "mine.toml", **changes: str | None) -> Path:
    """Write a description in which the keys in ``changes`` are replaced (None: left out)."""
    path = folder / file
    given = BASE | changes
    path.write_text("".join(f"{key} = {value}\n" for key, value in given.items() if value is not None), "utf-8")
    return path


def examples(folder: Path) -> None:
    for split, count in (("train", 4), ("validation", 2)):
        rows = [f"{split} {i},{('no', 'yes')[i % 2]}" for i in range(count)]
        (folder / f"{split}.csv").write_text("\n".join(["text,kind", *rows]))


def test_a_description_makes_a_task(tmp_path: Path) -> None:
    task = describe(write(tmp_path, data='"my mail, 2024"', metrics='["f1", "matthews_correlation"]'))
    assert (task.name, task.columns, task.label, task.classes) == ("mine", ("text",), "kind", ("no", "yes"))
    assert (task.outputs, task.regression, task.suite) == (2, False, "my mail, 2024")
    assert task.metrics == ("f1", "matthews")
    assert task.own
    assert (task.own.train, task.own.validation) == (str(tmp_path / "train.csv"), str(tmp_path / "validation.csv"))


def test_scores_and_a_share(tmp_path: Path) -> None:
    more = {"validation": None, "validation_share": "0.2", "seed": "7"}
    path = write(tmp_path, classes=None, scores="[-1, 1.5]", metrics='["pearsonr", "spearmanr", "r_squared"]', **more)
    task = describe(path)
    assert (task.outputs, task.regression, task.scores) == (1, True, (-1.0, 1.5))
    assert task.metrics == ("pearson", "spearman", "r_squared")
    assert task.own
    assert (task.own.validation, task.own.share, task.own.seed) == (None, 0.2, 7)


@pytest.mark.parametrize(
    ("changes", "data"), [({}, "own"), ({"hub": '"them/mails"'}, "mails"), ({"data": '"a b"', "hub": '"x/y"'}, "a b")]
)
def test_what_tables_call_the_data(tmp_path: Path, changes: dict[str, str], data: str) -> None:
    assert describe(write(tmp_path, **changes)).suite == data


def test_a_data_set_of_the_hub(tmp_path: Path) -> None:
    task = describe(write(tmp_path, hub='"them/mails"', revision='"1f2e"', train='"all"'))
    assert task.hub == Hub("them/mails", "default", "1f2e")
    assert task.own
    assert (task.own.train, task.own.validation) == ("all", "validation.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lable": '"kind"'}, r"unknown key \(in .*mine\.toml\) 'lable': did you mean 'label'\? Known are name, data"),
        ({"metrics": None}, r"mine\.toml lacks the key 'metrics': add it"),
        ({"classes": None}, r"mine\.toml needs either classes or scores, and not both"),
        ({"scores": "[0, 1]"}, r"needs either classes or scores, and not both"),
        ({"validation": None}, r"needs either validation or validation_share, and not both"),
        ({"validation_share": "0.1"}, r"needs either validation or validation_share, and not both"),
        ({"validation": None, "validation_share": "0.6"}, r"validation_share must be a number above 0, at most 0\.5"),
        ({"name": '"my task"'}, r"mine\.toml: name must be at most 60 letters, digits .*, and is 'my task'$"),
        ({"data": '"../x"'}, r"data must be at most 60 letters, digits, spaces"),
        ({"data": '"GLUE"'}, r"data 'GLUE' is the name of other data: choose another"),
        ({"hub": '"nyu-mll/glue"'}, r"data 'glue' is the name of other data: choose another"),
        ({"texts": '["a", "b", "c"]'}, r"texts must be a list of one or two different columns"),
        ({"texts": '["a", "a"]'}, r"texts must be a list of one or two different columns"),
        ({"texts": '["kind"]'}, r"column 'kind' is both a text and the label"),
        ({"classes": '["a"]'}, r"classes must be a list of two or more different"),
        ({"classes": "[1, 1]"}, r"classes must be a list of two or more different"),
        ({"classes": '[1, "1"]'}, r"classes must be a list of two or more different"),
        ({"classes": None, "scores": "[5, 1]"}, r"scores must be the lowest and the highest score, .*is \[5, 1\]"),
        ({"classes": None, "scores": "[0, inf]"}, r"scores must be the lowest and the highest score"),
        ({"metrics": '["acuracy"]'}, r"mine\.toml: unknown metric of classes 'acuracy': did you mean 'accuracy'"),
        ({"metrics": '["pearsonr"]'}, r"unknown metric of classes 'pearson'"),
        ({"classes": None, "scores": "[0, 1]"}, r"unknown metric of scores 'accuracy'"),
        ({"classes": None, "scores": "[0, 1]", "metrics": '["mse"]'}, r"less is better in the metric 'mse'"),
        ({"validation": '"./train.csv"'}, r"train and validation are the same: name two"),
        ({"config": '"x"'}, r"config needs hub"),
        ({"seed": "true"}, r"seed must be an integer from 0 on, and is True"),
        ({"name": "mine"}, r"mine\.toml is not readable as TOML: "),
    ],
)
def test_a_bad_description_is_one_sentence(tmp_path: Path, changes: dict[str, str | None], message: str) -> None:
    with pytest.raises(InputError, match=message):
        describe(write(tmp_path, **changes))


def test_a_missing_description(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.toml is missing: pibench task new writes one"):
        task_name(str(tmp_path / "nowhere.toml"))


def test_a_path_names_a_task_in_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples(tmp_path)
    path = str(write(tmp_path))
    plan = Plan.from_options(read(["--tasks", f"{path},mine,rte", "--methods", "dense", "--engine", "lean"]))
    assert plan.tasks == ("mine", "rte")
    assert load("mine").train.labels == (0, 1, 0, 1)
    assert sizes("mine") == (4, 2)
    assert sizes("rte") == TASKS["rte"].examples
    assert Job("mine", 0, False, ()).command[5:7] == ["--tasks", path]
    assert task_argument("rte") == "rte"
    assert main(["list", "tasks"]) == 0
    assert "| mine " in capsys.readouterr().out


def test_a_folder_of_descriptions_is_known_by_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    write(tmp_path, "second.toml", name='"another"')
    assert "mine" not in TASKS
    monkeypatch.setenv(registry.FOLDER, str(tmp_path))
    assert {"mine", "another", "rte"} < set(TASKS)
    assert task_name("another") == "another"
    assert registry.in_order(["mine", "rte", "another"]) == ["rte", "another", "mine"]
    monkeypatch.setenv(registry.FOLDER, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere that PIBENCH_TASKS_DIR names does not exist"):
        task_name("rte")


@pytest.mark.parametrize(("name", "other"), [('"rte"', r"pibench\.tasks\.glue:RTE"), ('"mine"', r"mine\.toml")])
def test_two_tasks_of_one_name_are_refused(tmp_path: Path, name: str, other: str) -> None:
    task_name(str(write(tmp_path)))
    with pytest.raises(InputError, match=rf"of .*second\.toml has the name of another, of .*{other}: rename one"):
        task_name(str(write(tmp_path, "second.toml", name=name)))


def test_one_file_under_two_paths_is_one_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert task_name("mine.toml") == task_name(str(path)) == "mine"


@pytest.mark.parametrize("source", ["hub", "sample"])
def test_data_is_where_the_description_says(tmp_path: Path, source: str) -> None:
    examples(tmp_path)
    name = task_name(str(write(tmp_path)))
    assert load(name, tmp_path / "ignored", "folder").source == "own"
    with pytest.raises(InputError, match=rf"mine\.toml says where the data of mine is: leave out --data {source}"):
        load(name, source=source)
