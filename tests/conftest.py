from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import settings

from pibench.engines.crypten.engine import CryptenParties
from pibench.engines.engine import Session
from pibench.engines.lean.parties import LeanParties
from pibench.model.module import Model
from pibench.tasks.data import Split, TaskData
from pibench.tasks.task import Task
from pibench.testing.models import tiny_model

settings.register_profile("pibench", deadline=None)
settings.load_profile("pibench")
torch.set_num_threads(1)  # faster for tiny tensors

MakeModel = Callable[..., Model]
MakeSplit = Callable[..., Split]
MakeData = Callable[..., TaskData]


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    return tiny_model


@pytest.fixture(scope="session")
def make_split() -> MakeSplit:
    def make(examples: int = 24, outputs: int = 2, seed: int = 0) -> Split:
        """Sentences of 3 to 10 tokens whose words tell the label; a score is the share of words from 20 up."""
        rng = np.random.default_rng(seed)
        rows, labels = [], []
        for index in range(examples):
            length = int(rng.integers(1, 9))
            if outputs == 1:
                words = rng.integers(10, 30, length)
                labels.append(float((words >= 20).mean()))
            else:
                words = rng.integers(0, 10, length) + 10 * (1 + index % outputs)
                labels.append(index % outputs)
            rows.append((1, *words.tolist(), 2))
        kind = torch.float32 if outputs == 1 else torch.int64
        segments = tuple((0,) * (len(row) - 1) + (1,) for row in rows)
        return Split(tuple(rows), segments, torch.tensor(labels, dtype=kind))

    return make


@pytest.fixture(scope="session")
def make_data(make_split: MakeSplit) -> MakeData:
    def make(examples: int = 24, outputs: int = 2, seed: int = 0) -> TaskData:
        task = Task("tiny", ("sentence",), outputs, ("pearson",) if outputs == 1 else ("accuracy",))
        train, selection = (make_split(examples, outputs, 2 * seed + part) for part in (0, 1))
        return TaskData(task, train, selection, pad_id=0, source="sample", fingerprint="tiny")

    return make


@pytest.fixture(scope="session")
def need_crypten() -> None:
    if importlib.util.find_spec("crypten") is None:
        pytest.skip("CrypTen is not installed")


@pytest.fixture(scope="session")
def parties() -> Iterator[LeanParties]:
    with LeanParties(Session(deadline=120)) as running:
        yield running


@pytest.fixture(scope="session")
def crypten(need_crypten: None) -> Iterator[CryptenParties]:
    with CryptenParties(Session(deadline=120)) as running:
        yield running
