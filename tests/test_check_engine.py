"""The contract of engines: real ones keep it, and each way of breaking it is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pytest

from pibench.checks.engine import CHECKS, Bench, floats, keeps_contract, samples
from pibench.checks.plugin import check
from pibench.engines.engine import Cost, Engine, Inference, Parties, Prediction, Session
from pibench.measure.cost import Sample
from pibench.model.architecture import Architecture
from pibench.model.module import Model


class ClearParties(Parties):
    """One party that computes in floats and reports made-up costs."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self.inferences = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None: ...

    @property
    def processes(self) -> Sequence[Any]:
        return ()

    def load(self, name: str, model: Model) -> None:
        self._models[name] = model

    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool = False) -> Inference:
        self.inferences += 1
        logits = floats(Sample(self._models[name], embedded, keep, "random"))
        return Inference(logits, seconds=0.5, bytes_sent=[3, 4], rounds=2)


class IgnoresMask(ClearParties):
    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool = False) -> Inference:
        return super().infer(name, embedded, np.ones_like(keep))


class KeepsOneModel(ClearParties):
    def load(self, name: str, model: Model) -> None:
        self._models[name] = next(iter(self._models.values()), model)


class OneRow(ClearParties):
    def infer(self, *arguments: Any, **options: Any) -> Inference:
        seen = super().infer(*arguments, **options)
        seen.logits = seen.logits[:1]
        return seen


class SendsMore(ClearParties):
    def infer(self, *arguments: Any, **options: Any) -> Inference:
        seen = super().infer(*arguments, **options)
        seen.bytes_sent = [3, 3 + self.inferences]
        return seen


class NoTime(ClearParties):
    def infer(self, *arguments: Any, **options: Any) -> Inference:
        seen = super().infer(*arguments, **options)
        seen.seconds = float("nan")
        return seen


class Clear(Engine):
    """An engine that hides nothing, and predicts as many bytes as it is told."""

    name, title = "clear", "Clear"

    def __init__(self, predicted: int | None = 7) -> None:
        self._predicted = predicted

    def security(self, session: Session) -> dict[str, Any]:
        return {"parties": 1, "adversary": "none"}

    def predict(self, architecture: Architecture, batch: int, seq_len: int) -> Prediction | None:
        return None if self._predicted is None else Prediction({"all": Cost(self._predicted, 2)}, 0, 0)

    def start(self, session: Session) -> Parties:
        return ClearParties()


def verdict(engine: Engine, parties: Parties) -> tuple[bool, str]:
    lines: list[str] = []
    return keeps_contract(Bench(engine, parties, samples()), lines.append), "\n".join(lines)


@pytest.mark.parametrize("predicted", [7, None])
def test_an_engine_that_keeps_the_contract_passes_every_check(predicted: int | None) -> None:
    good, text = verdict(Clear(predicted), ClearParties())
    assert good, text
    assert text.count("  ok  ") == len(CHECKS)


@pytest.mark.parametrize(
    ("parties", "words"),
    [
        (IgnoresMask, "differ from floats by"),
        (KeepsOneModel, "differ from floats by"),
        (OneRow, "logits have shape (1, 3)"),
        (SendsMore, "and then"),
        (NoTime, "took nan seconds"),
    ],
)
def test_each_breach_is_named(parties: type[ClearParties], words: str) -> None:
    good, text = verdict(Clear(None), parties())
    assert not good
    assert words in text


def test_a_wrong_prediction_is_named() -> None:
    good, text = verdict(Clear(8), ClearParties())
    assert not good
    assert "7 bytes in 2 rounds were sent, but 8 in 2 were predicted" in text


@pytest.mark.mpc
def test_the_lean_engine_keeps_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("lean")
    assert capsys.readouterr().out.count("  ok  ") == len(CHECKS)


@pytest.mark.mpc
def test_crypten_keeps_the_contract(need_crypten: None) -> None:
    assert check("crypten")
