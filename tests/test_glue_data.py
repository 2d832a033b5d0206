"""The data of GLUE that is named in PIBENCH_GLUE_DIR: which of it is whole, and which is a part."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pibench.tasks.glue import COLA, QQP, WNLI
from pibench.tasks.load import load
from pibench.tasks.registry import TASKS
from pibench.tasks.task import Part
from tests.test_glue import write

GLUE_DIR = os.environ.get("PIBENCH_GLUE_DIR")
NEEDS_DATA = pytest.mark.skipif(not GLUE_DIR, reason="PIBENCH_GLUE_DIR is not set")


@NEEDS_DATA
@pytest.mark.parametrize(
    ("name", "train", "validation"),
    [
        ("cola", 8551, 1043),
        ("sst2", 67349, 872),
        ("mrpc", 3668, 408),
        ("stsb", 5749, 1500),
        ("rte", 2490, 277),
        ("wnli", 635, 71),
    ],
)
def test_real_glue_has_its_published_sizes(name: str, train: int, validation: int) -> None:
    raw = load(name, Path(str(GLUE_DIR)))
    assert (len(raw.train), len(raw.validation), raw.source, raw.train_whole) == (train, validation, "glue", True)
    assert set(raw.train.labels) >= {0, 1}


@NEEDS_DATA
@pytest.mark.parametrize(("name", "validation"), [("mnli", 9815), ("qnli", 5463), ("qqp", 1000)])
def test_a_part_of_the_training_split_is_told(name: str, validation: int) -> None:
    raw = load(name, Path(str(GLUE_DIR)))
    assert (raw.source, raw.train_whole, len(raw.validation)) == ("glue", False, validation)
    assert f"{name}: the training split, {len(raw.train)} of " in raw.notes[0]
    assert (raw.part is not None) == (name == "qqp")


@NEEDS_DATA
def test_the_known_part_of_qqp_is_told() -> None:
    assert load("qqp", Path(str(GLUE_DIR))).notes == (
        "qqp: the training split, 8999 of 363846 examples, is not the whole published one.",
        "qqp: scored on 1000 examples cut from GLUE's training split, not on the 40430 published validation examples.",
    )


def test_a_known_part_bears_the_name_of_its_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path, "qqp")
    raw = load("qqp", root)
    assert (raw.source, raw.notes[:1]) == (
        "own",
        ("qqp: 4 of 4 validation examples have the texts of a training example.",),
    )
    known = replace(QQP, parts=(Part("0" * 16, "others"), Part(raw.validation.fingerprint, "sentences of a test")))
    monkeypatch.setitem(TASKS._loaded, "qqp", known)
    raw = load("qqp", root)
    assert raw.source == "glue"
    assert raw.notes[:2] == (
        "qqp: the training split, 4 of 363846 examples, is not the whole published one.",
        "qqp: scored on 4 sentences of a test, not on the 40430 published validation examples.",
    )


def test_wnli_alone_is_in_no_average() -> None:
    assert [task.name for task in TASKS.values() if not task.averaged] == [WNLI.name]
    assert COLA.averaged
