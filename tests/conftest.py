from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings

from pibench.engines.crypten.engine import CryptenParties
from pibench.engines.engine import Session
from pibench.engines.lean.parties import LeanParties
from pibench.model.architecture import Architecture, Layer
from pibench.model.module import Embeddings, Model
from pibench.model.operators.activation import MPCFORMER_QUAD
from pibench.tasks.data import Split, TaskData
from pibench.tasks.task import Task

settings.register_profile("pibench", deadline=None)
settings.load_profile("pibench")
torch.set_num_threads(1)  # faster for tiny tensors

MakeModel = Callable[..., Model]
MakeSplit = Callable[..., Split]
MakeData = Callable[..., TaskData]

WORDS, POSITIONS, HIDDEN = 50, 40, 16


def tiny_model(seed: int = 0, outputs: int = 2, layers: int = 2, **operators: Any) -> Model:
    """Return an encoder of 16 hidden units with random weights."""
    layer = Layer(**{"heads": 4, "head_size": 4, "ffn_size": 32} | operators)
    architecture = Architecture(HIDDEN, (layer,) * layers, outputs)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Model(architecture, Embeddings(WORDS, POSITIONS, 2, HIDDEN, architecture.norm_eps))
        with torch.no_grad():
            for name, value in model.named_parameters():
                if name.endswith("activation_coefficients"):
                    value.copy_(torch.tensor(MPCFORMER_QUAD))
                elif "norm" in name:
                    value.add_(0.1 * torch.randn_like(value))
                else:
                    value.normal_(0, 0.3 if value.dim() > 1 else 0.1)
    return model.eval()


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
