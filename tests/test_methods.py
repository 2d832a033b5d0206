from __future__ import annotations

import numpy as np
import pytest
import torch

from pibench.methods.contract import Skip, Variant
from pibench.methods.registry import METHODS
from pibench.model.architecture import Architecture
from pibench.model.module import Model
from pibench.training.budget import Budget
from pibench.training.finetune import predict
from tests.conftest import MakeData, MakeModel

BUDGET = Budget(epochs=1, examples=16, batch_size=8, learning_rate=1e-3)
NAMES = pytest.mark.parametrize("name", METHODS)
VARIANTS = pytest.mark.parametrize(
    ("name", "variant"),
    [(name, variant) for name, method in METHODS.items() for variant in method.info.variants],
    ids=lambda value: value.name if isinstance(value, Variant) else value,
)


@NAMES
def test_info_is_complete(name: str) -> None:
    info = METHODS[name].info
    assert info.name == name
    assert info.bibtex.startswith("@")
    assert info.bibtex.count("{") == info.bibtex.count("}") > 0


@pytest.mark.parametrize("outputs", [1, 2, 3])
@VARIANTS
def test_compress(make_model: MakeModel, make_data: MakeData, name: str, variant: Variant, outputs: int) -> None:
    dense, data = make_model(outputs=outputs), make_data(outputs=outputs)
    before = dense.fingerprint()
    model = METHODS[name].compress(dense, data, BUDGET, variant)
    assert dense.fingerprint() == before
    assert all(value.grad is None for value in dense.parameters())
    if isinstance(model, Skip):
        assert model.reason
        return
    assert isinstance(model, Model)
    assert model.architecture.outputs == outputs
    assert Architecture.from_spec(model.architecture.spec()) == model.architecture
    assert np.isfinite(predict(model, data.selection, data.pad_id)).all()


@VARIANTS
def test_compress_is_deterministic_by_seed(
    make_model: MakeModel, make_data: MakeData, name: str, variant: Variant
) -> None:
    results = []
    for noise in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(noise)  # a method must not draw from the global generator
            model = METHODS[name].compress(make_model(), make_data(), BUDGET, variant)
        results.append(model if isinstance(model, Skip) else model.fingerprint())
    assert results[0] == results[1]


def test_what_each_baseline_replaces(make_model: MakeModel, make_data: MakeData) -> None:
    dense, data = make_model(), make_data()

    def layers(name: str) -> list[tuple[int, str, str]]:
        method = METHODS[name]
        model = method.compress(dense, data, BUDGET, method.info.variants[0])
        assert isinstance(model, Model)
        return [(layer.heads, layer.softmax, layer.activation) for layer in model.architecture.layers]

    assert layers("dense") == [(4, "exact", "gelu")] * 2
    heads, softmax, gelu = layers("head_pruning"), layers("poly_softmax"), layers("gelu_substitution")
    assert {layer[1:] for layer in heads} == {("exact", "gelu")} and sum(layer[0] for layer in heads) < 8
    assert {(layer[0], layer[2]) for layer in softmax} == {(4, "gelu")} and {layer[1] for layer in softmax} != {"exact"}
    assert {layer[:2] for layer in gelu} == {(4, "exact")} and {layer[2] for layer in gelu} != {"gelu"}
