"""A method cannot reach the validation split: nothing that ``compress`` receives leads to it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from baselines.dense import Dense
from pibench.measure import stages
from pibench.measure.options import defaults
from pibench.measure.plan import Plan
from pibench.measure.workbench import Workbench
from pibench.tasks.encode import EncodedTask
from tests.test_identity import CELL, checkpoint

NEVER = (type, ModuleType, CodeType, FrameType)
"""Classes and modules lead to everything in the process; they are not what a method is handed."""


def reachable(*roots: object) -> Iterator[object]:
    """Yield everything that attributes, items, closures and defaults of ``roots`` lead to."""
    waiting, seen = list(roots), dict[int, object]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, NEVER):
            continue
        seen[id(one)] = one
        yield one
        if isinstance(one, FunctionType):
            waiting += [one.__closure__, one.__defaults__, one.__kwdefaults__, one.__dict__]
        else:
            waiting += gc.get_referents(one)


def leaks(task: EncodedTask, *arguments: object) -> bool:
    """Say whether ``arguments`` lead to the validation split, a part of it, or one of its examples or texts."""
    validation = task.validation
    parts = {id(part) for part in (validation, validation.input_ids, validation.token_type_ids, validation.labels)}
    own = set(validation.input_ids) - set(task.data.train.input_ids) - set(task.data.selection.input_ids)
    assert len(own) > 10
    return any(id(one) in parts or examples(one) & own or text(one) for one in reachable(*arguments))


def examples(one: object) -> set[tuple[Any, ...]]:
    """Return the rows of token ids in a value: itself, or every row of a tensor without its padding."""
    if isinstance(one, torch.Tensor) and one.dim() == 2 and not one.is_floating_point():
        return {tuple(id for id in row if id) for row in one.tolist()}
    return {tuple(one)} if isinstance(one, tuple | list) and all(type(part) is int for part in one) else set()


def text(one: object) -> bool:
    return isinstance(one, str) and one.startswith("held out")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """A run on a task whose validation split has other words, and texts that can be told."""
    monkeypatch.chdir(tmp_path)
    glue = tmp_path / "glue" / "sst2"
    glue.mkdir(parents=True)
    texts = {"train": "a {} b {} c", "validation": "held out {} d {} e"}
    letters = "fghijklmno"
    for split, pattern in texts.items():
        sentences = [pattern.format(letters[i % 10], " ".join(letters[: i // 10])) for i in range(40)]
        pq.write_table(pa.table({"sentence": sentences, "label": [0, 1] * 20}), glue / f"{split}.parquet")
    options = {"backbone": str(checkpoint(tmp_path)), "output": tmp_path / "out", "glue_dir": glue.parent}
    return Workbench(
        Plan.from_options(defaults(engine="lean", methods="dense", tasks="sst2", data="folder", **options))
    )


@pytest.fixture
def received(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """What a real cell hands to its method."""
    seen: list[tuple[Any, ...]] = []

    class Spy(Dense):
        def compress(self, *arguments: Any) -> Any:
            seen.append(arguments)
            return super().compress(*arguments)

    monkeypatch.setattr(stages, "METHODS", {"dense": Spy()})
    stages.compressed(bench, CELL)
    return seen[0]


def test_nothing_that_a_method_receives_leads_to_the_validation_split(
    bench: Workbench, received: tuple[Any, ...]
) -> None:
    assert not leaks(bench.task("sst2", 0), *received)


def attribute(name: str, value: Callable[[Workbench], object]) -> Callable[[Workbench, Any], None]:
    """Return a change that hangs a value on the data, a part of it, or the dense model, under a new name."""

    def change(bench: Workbench, received: Any) -> None:
        dense, data, *_ = received
        object.__setattr__(data, "task", copy(data.task))  # the task itself is everybody's
        owner = {"dense": dense, "data": data, "task": data.task, "cache": data.cache}[name]
        object.__setattr__(owner, "aside", value(bench))

    return change


def validation(bench: Workbench) -> Any:
    return bench.task("sst2", 0).validation


@pytest.mark.parametrize(
    "change",
    [
        attribute("data", validation),
        attribute("task", lambda bench: bench.task("sst2", 0)),
        attribute("cache", lambda bench: bench),
        attribute("cache", lambda bench: partial(bench.task, "sst2")),
        attribute("dense", lambda bench: lambda: bench),
        attribute("data", lambda bench: [list(row) for row in validation(bench).input_ids]),
        attribute("data", lambda bench: torch.tensor([[*row, 0, 0] for row in validation(bench).input_ids[:1]])),
        attribute("data", lambda bench: bench._raw),
    ],
)
def test_a_way_to_the_validation_split_is_noticed(
    bench: Workbench, received: tuple[Any, ...], change: Callable[[Workbench, Any], None]
) -> None:
    change(bench, received)
    assert leaks(bench.task("sst2", 0), *received)


def test_a_method_that_is_handed_the_validation_split_is_noticed(bench: Workbench, received: tuple[Any, ...]) -> None:
    dense, data, *rest = received
    task = bench.task("sst2", 0)
    for split in ("train", "selection"):
        assert leaks(task, dense, replace(data, **{split: task.validation.first(20)}), *rest)
