from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from pibench.engines.lean.fold import fold
from pibench.engines.lean.shares import Shared
from pibench.methods.surgery.pruning import prune_heads
from pibench.model.floats import TorchInterpreter
from pibench.model.forward import forward
from pibench.model.module import Model
from tests.conftest import MakeModel

EMBEDDED = torch.randn(2, 7, 16, generator=torch.Generator().manual_seed(0))
KEEP = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]])


def plain(value: torch.Tensor, normalised: torch.Tensor | None = None) -> Shared:
    return Shared(value, 0, normalised=None if normalised is None else plain(normalised))


class Folding(TorchInterpreter):
    """Floats in the engine's containers: the next linear layer takes a normalised value, and scores are not scaled."""

    def linear(self, a: Shared, weight: torch.Tensor, bias: torch.Tensor, parts: int = 1) -> Shared:
        return plain(functional.linear((a.normalised or a).share, weight, bias))

    def layer_norm(self, a: Shared, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> Shared:
        normalised = functional.layer_norm(a.share, weight.shape, eps=eps)
        return plain(normalised * weight + bias, normalised)

    def attention_scores(self, query: Shared, key: Shared, bias: None = None) -> Shared:
        return self.matmul(query, key.transpose(-1, -2))

    def matmul(self, a: Shared, b: Shared) -> Shared:
        return plain(a.share @ b.share)

    def softmax(self, scores: Shared, keep: torch.Tensor) -> tuple[Shared, None]:
        weights, total = super().softmax(scores.share, keep)
        assert total is None
        return plain(weights), None

    def gelu(self, a: Shared) -> Shared:
        return plain(super().gelu(a.share))

    def tanh(self, a: Shared) -> Shared:
        return plain(super().tanh(a.share))


def pruned(make_model: MakeModel) -> Model:
    return prune_heads(make_model(layers=3), torch.tensor([[1, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]]).bool())


MODELS = {"one layer": lambda make: make(layers=1), "three layers": lambda make: make(layers=3), "pruned": pruned}


@torch.no_grad()
@pytest.mark.parametrize("kind", MODELS)
def test_folded_weights_on_normalised_values_are_the_same_model(make_model: MakeModel, kind: str) -> None:
    model = MODELS[kind](make_model)
    weights = model.weights()
    goal = forward(TorchInterpreter(), model.architecture, weights, EMBEDDED, KEEP)
    own = forward(Folding(), model.architecture, fold(weights, model.architecture), plain(EMBEDDED), KEEP)
    torch.testing.assert_close(own.logits.share, goal.logits, rtol=1e-5, atol=1e-5)
    for hidden, expected in zip(own.hidden, goal.hidden, strict=True):
        torch.testing.assert_close(hidden.share, expected, rtol=1e-5, atol=1e-5)
    unfolded = forward(Folding(), model.architecture, weights, plain(EMBEDDED), KEEP)
    assert float((unfolded.logits.share - goal.logits).abs().max()) > 0.01


@torch.no_grad()
def test_folding_changes_no_weight_in_place_and_no_other_weight(make_model: MakeModel) -> None:
    model = make_model()
    before = model.fingerprint()
    weights = model.weights()
    folded = fold(weights, model.architecture)
    assert model.fingerprint() == before
    changed = [
        {name for name in layer if not torch.equal(layer[name], own[name])}
        for layer, own in zip(folded.layers, weights.layers, strict=True)
    ]
    both = {"qkv_weight", "qkv_bias", "ffn_in_weight", "ffn_in_bias"}
    assert changed == [both, both]
    assert {name for name in weights.head if not torch.equal(folded.head[name], weights.head[name])} == {
        "pooler_weight",
        "pooler_bias",
    }
