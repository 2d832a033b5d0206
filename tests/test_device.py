from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from baselines.aero.entropy import EntropyRegulariser
from baselines.privit import Switches
from pibench.methods.contract import Skip, Variant
from pibench.methods.registry import METHODS
from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.tasks.batches import pad
from pibench.tasks.data import TaskData
from pibench.training import device, finetune
from pibench.training.budget import Budget
from pibench.training.device import on_device
from pibench.training.distill import recover
from pibench.training.finetune import label_loss, predict, train
from pibench.training.tune import fine_tune
from tests.conftest import MakeData, MakeModel

BUDGET = Budget(epochs=1, examples=16, batch_size=8, learning_rate=1e-3)
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def compressed(dense: Model, data: TaskData, name: str, variant: Variant) -> Model:
    made = METHODS[name].compress(dense, data, BUDGET, variant)
    if isinstance(made, Skip):
        pytest.skip(made.reason)
    return made


def test_modules_go_home_even_when_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    moves: list[str] = []

    class Module(nn.Linear):
        def to(self, where: torch.device) -> Module:  # type: ignore[override]
            moves.append(str(where))
            return self

    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: True)
    with pytest.raises(ValueError, match="broken"), on_device(Module(1, 1)) as where:
        assert moves == [str(where)] == ["cuda:0"]
        raise ValueError("broken")
    assert moves == ["cuda:0", "cpu"]


@pytest.mark.parametrize(
    ("name", "variant"),
    [(name, variant) for name, method in METHODS.items() for variant in method.info.variants],
    ids=lambda value: value.name if isinstance(value, Variant) else value,
)
def test_every_method_computes_where_its_model_lies(
    make_model: MakeModel, make_data: MakeData, name: str, variant: Variant
) -> None:
    # The meta device refuses tensors of another one, as a GPU does.
    data = make_data()
    batch = pad(data.selection, range(8), data.pad_id).to(torch.device("meta"))
    model = compressed(make_model(), data, name, variant).to("meta")
    label_loss(model, batch, TorchInterpreter()).backward()
    assert model(batch.input_ids, batch.token_type_ids, batch.keep).logits.device.type == "meta"


@pytest.mark.parametrize("name", ["privit", "aero"])
def test_regularisers_compute_where_the_model_lies(make_model: MakeModel, make_data: MakeData, name: str) -> None:
    data, model = make_data(), make_model()
    batch = pad(data.selection, range(8), data.pad_id).to(torch.device("meta"))
    regulariser = Switches(2, 1, 10) if name == "privit" else EntropyRegulariser(model.architecture, 0.1)
    ops = regulariser.to("meta").interpreter(0.1)
    loss = label_loss(model.to("meta"), batch, ops)
    (loss if name == "privit" else loss + regulariser(ops)).backward()


@gpu
def test_training_on_a_gpu_is_deterministic_and_comes_home(make_model: MakeModel, make_data: MakeData) -> None:
    data = make_data(64)

    def run(noise: int) -> Model:
        torch.manual_seed(noise)
        torch.cuda.manual_seed_all(noise)
        return train(make_model(), data, replace(BUDGET, epochs=5), label_loss, "test")

    first, second = run(1), run(2)
    assert first.fingerprint() == second.fingerprint()
    tuned, _ = fine_tune(make_model, data, BUDGET)
    assert {value.device.type for model in (first, tuned) for value in model.parameters()} == {"cpu"}


@gpu
def test_a_gpu_learns_what_the_processor_learns(
    make_model: MakeModel, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, teacher = make_data(64), make_model()
    monkeypatch.setattr(finetune, "native_bfloat16", lambda where: False)
    on_gpu = predict(recover(make_model(1), teacher, data, BUDGET), data.selection, data.pad_id)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_cpu = predict(recover(make_model(1), teacher, data, BUDGET), data.selection, data.pad_id)
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-3)
