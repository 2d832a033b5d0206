from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.gelu_substitution import fit_quadratic, pre_activations
from baselines.head_pruning import gradient_importance, most_important
from pibench import registry
from pibench.architecture import Architecture
from pibench.contract import Budget, Skip, Variant
from pibench.interpreters.observe import PreActivations
from pibench.model import Model
from pibench.training.batches import Batch, pad
from pibench.training.finetune import predict
from tests.conftest import MakeData, MakeModel, MakeSplit

BUDGET = Budget(epochs=1, examples=16, batch_size=8, learning_rate=1e-3)
METHODS = pytest.mark.parametrize("name", registry.names())
VARIANTS = pytest.mark.parametrize(
    ("name", "variant"),
    [(name, variant) for name in registry.names() for variant in registry.get(name).info.variants],
    ids=lambda value: value.name if isinstance(value, Variant) else value,
)


@METHODS
def test_info_is_complete(name: str) -> None:
    info = registry.get(name).info
    assert info.name == name
    assert all((info.version, info.summary, info.paper))
    assert info.bibtex.startswith("@")
    assert info.bibtex.count("{") == info.bibtex.count("}") > 0
    assert "\n" not in info.summary


@METHODS
def test_variants_are_unique_and_of_a_known_lowering(name: str) -> None:
    variants = registry.get(name).info.variants
    assert variants
    assert len({variant.name for variant in variants}) == len(variants)
    assert all(variant.lowering in ("fair", "stock") for variant in variants)


@pytest.mark.parametrize("outputs", [1, 2, 3])
@VARIANTS
def test_compress(make_model: MakeModel, make_data: MakeData, name: str, variant: Variant, outputs: int) -> None:
    dense, data = make_model(outputs=outputs), make_data(outputs=outputs)
    before = dense.fingerprint()
    model = registry.get(name).compress(dense, data, BUDGET, variant)
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
            model = registry.get(name).compress(make_model(), make_data(), BUDGET, variant)
        results.append(model if isinstance(model, Skip) else model.fingerprint())
    assert results[0] == results[1]


def test_what_each_baseline_replaces(make_model: MakeModel, make_data: MakeData) -> None:
    dense, data = make_model(), make_data()

    def layers(name: str) -> list[tuple[int, str, str]]:
        method = registry.get(name)
        model = method.compress(dense, data, BUDGET, method.info.variants[0])
        assert isinstance(model, Model)
        return [(layer.heads, layer.softmax, layer.activation) for layer in model.architecture.layers]

    assert layers("dense") == [(4, "exact", "gelu")] * 2
    assert layers("poly_softmax") == [(4, "two_quad", "gelu")] * 2
    assert layers("gelu_substitution") == [(4, "exact", "quadratic")] * 2
    assert sum(heads for heads, _, _ in layers("head_pruning")) == 4


@pytest.mark.parametrize("outputs", [1, 2])
def test_importance_is_the_slope_of_the_loss(
    make_model: MakeModel, make_split: MakeSplit, monkeypatch: pytest.MonkeyPatch, outputs: int
) -> None:
    monkeypatch.setattr("baselines.head_pruning.EVALUATION_BATCH", 4)  # two batches, of unequal size
    model, split = make_model(outputs=outputs), make_split(6, outputs)
    own = gradient_importance(model, split, 0)
    exact, step, slopes = copy.deepcopy(model).double(), 1e-4, torch.zeros(2, 4)

    @torch.no_grad()
    def loss(batch: Batch, layer: int, head: int, gate: float) -> float:
        gates = torch.ones(2, 4, dtype=torch.float64)
        gates[layer, head] = gate
        logits = exact(batch.input_ids, batch.token_type_ids, batch.keep, gates=gates).logits
        if outputs == 1:
            return float((logits[0, 0] - batch.labels[0]) ** 2)
        return float(-logits.log_softmax(-1)[0, batch.labels[0]])

    for example, layer, head in itertools.product(range(len(split)), range(2), range(4)):
        batch = pad(split, [example], 0)
        slope = loss(batch, layer, head, 1 + step) - loss(batch, layer, head, 1 - step)
        slopes[layer, head] += abs(slope) / (2 * step)
    torch.testing.assert_close(own, slopes / slopes.norm(dim=1, keepdim=True), rtol=1e-3, atol=1e-4)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), layers=st.integers(1, 6), heads=st.integers(1, 12), share=st.floats(0, 1))
def test_most_important_counts_and_protects(seed: int, layers: int, heads: int, share: float) -> None:
    importance = torch.rand(layers, heads, generator=torch.Generator().manual_seed(seed))
    keep = most_important(importance, share)
    assert keep.sum() == max(layers, layers * heads - round(share * layers * heads))
    assert keep.gather(1, importance.argmax(1, keepdim=True)).all()
    best = torch.zeros_like(keep).scatter_(1, importance.argmax(1, keepdim=True), True)
    chosen, left = importance[keep & ~best], importance[~keep]
    if len(chosen) and len(left):
        assert chosen.min() >= left.max()


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), spread=st.floats(0.2, 4), centre=st.floats(-3, 3))
def test_fit_is_the_least_squares_quadratic(seed: int, spread: float, centre: float) -> None:
    values = np.random.default_rng(seed).normal(centre, spread, 500)
    gelu = torch.nn.functional.gelu(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(fit_quadratic(values).numpy(), np.polyfit(values, gelu, 2)[::-1], atol=1e-5)


def test_pre_activations_come_from_real_tokens_of_their_layer(make_model: MakeModel, make_split: MakeSplit) -> None:
    model, split = make_model(), make_split(5)
    real: dict[str, list[torch.Tensor]] = {"layer0.activation": [], "layer1.activation": []}
    for index in range(len(split)):
        batch = pad(split, [index], 0)
        with torch.no_grad():
            ops = PreActivations(lambda operator, value: real[operator].append(value.flatten()))
            model(batch.input_ids, batch.token_type_ids, batch.keep, ops)
    for sample, values in zip(pre_activations(model, split, 0), real.values(), strict=True):
        known = torch.cat(values).numpy()
        assert len(np.unique(sample)) > 0.9 * len(known)
        assert np.abs(sample[:200, None] - known).min(1).max() < 1e-5
