"""The lean engine between two real processes: logits, costs, switches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch

from pibench.engines.crypten.settings import Settings
from pibench.engines.engine import Cost, Inference
from pibench.engines.lean.engine import Lean
from pibench.engines.lean.ledger import predict
from pibench.engines.lean.parties import LeanParties
from pibench.engines.lean.shared_model import check_state, is_served
from pibench.engines.lean.switches import LEAN, NAMES
from pibench.measure.setups import Setup
from pibench.methods.surgery.pruning import prune_heads
from pibench.model.architecture import Architecture, Layer
from pibench.model.floats import TorchInterpreter
from pibench.model.module import Embeddings, Model
from tests.conftest import MakeModel

pytestmark = pytest.mark.mpc

IDS = torch.tensor([[1, 10, 25, 31, 44, 17, 2], [1, 44, 12, 2, 0, 0, 0]])
KEEP = (IDS > 0).long()
SEGMENTS = torch.zeros_like(IDS)


class SigmoidGelu(TorchInterpreter):
    """Floats with the GELU that stands in for CrypTen's broken one."""

    def gelu(self, a: torch.Tensor) -> torch.Tensor:
        return a * torch.sigmoid(1.702 * a)


def pruned(make_model: MakeModel) -> Model:
    return prune_heads(make_model(layers=1), torch.tensor([[1, 0, 1, 1]]).bool())


def mixed(make_model: MakeModel) -> Model:
    """Return a model of one exact layer and one of cheap operators."""
    cheap = make_model(softmax="two_quad", activation="quadratic")
    exact, _ = make_model().architecture.layers
    return cheap.rebuilt(replace(cheap.architecture, layers=(exact, cheap.architecture.layers[1])))


def attention_scaled(make_model: MakeModel) -> Model:
    model = make_model(layers=1, attention_scaled=True)
    with torch.no_grad():
        model.layer_weights[0]["attention_coefficients"].fill_(4)
    return model


MODELS: dict[str, Callable[[MakeModel], Model]] = {
    "mixed": mixed,
    "relu": lambda make: make(layers=1, activation="relu"),
    "pruned": pruned,
    "regression": lambda make: make(layers=1, outputs=1),
    "attention scaled": attention_scaled,
    "position bias": lambda make: prune_heads(make(layers=1, position_buckets=32), torch.tensor([[1, 1, 0, 1]]).bool()),
}


EVERY_MODEL = pytest.mark.parametrize("kind", MODELS)


def floats_of(settings: Any) -> TorchInterpreter:
    """Return the floats that an engine's settings stand for."""
    return SigmoidGelu() if isinstance(settings, Settings) and settings.lowering == "stock" else TorchInterpreter()


def bound_of(settings: Any) -> float:
    """Return the largest error of logits: with 13 fractional bits about 0.006 on average and rarely 0.02."""
    return 0.02 if settings.fraction_bits == 16 else 0.04


@torch.no_grad()
def run(parties: Any, model: Model, settings: Any = LEAN, audit: bool = False) -> tuple[Inference, float]:
    """Run both sentences between the parties; return what they saw and the largest logit error."""
    name = f"{model.fingerprint()}-{settings}"
    parties.load(name, model, settings)
    seen = parties.infer(name, model.embeddings(IDS, SEGMENTS).numpy(), KEEP.numpy(), audit)
    floats = model(IDS, SEGMENTS, KEEP, floats_of(settings)).logits.numpy()
    return seen, float(np.abs(seen.logits - floats).max())


def wires(costs: Mapping[str, Cost]) -> dict[str, tuple[int, int]]:
    """Return bytes and rounds of the operators that have any."""
    return {name: (cost.bytes, cost.rounds) for name, cost in costs.items() if cost.rounds}


def check(parties: Any, model: Model, settings: Any = LEAN) -> None:
    """Assert that the parties reveal the floats' logits, at the predicted bytes and rounds."""
    seen, error = run(parties, model, settings)
    assert error < bound_of(settings)
    predicted = Setup("", model.architecture, settings, *IDS.shape).predict()
    assert wires(seen.costs) == wires(predicted.costs)
    assert (sum(seen.bytes_sent), seen.rounds) == (predicted.total().bytes, predicted.total().rounds)
    assert 0 < (seen.compute_seconds or 0) < seen.seconds
    assert seen.wraps is None
    assert (seen.offline_seconds is not None) == settings.prefetch


@EVERY_MODEL
def test_logits_and_costs(parties: LeanParties, make_model: MakeModel, kind: str) -> None:
    check(parties, MODELS[kind](make_model))


@pytest.mark.parametrize("name", NAMES)
def test_each_switch_off_has_the_same_logits_and_its_own_costs(
    parties: LeanParties, make_model: MakeModel, name: str
) -> None:
    check(parties, mixed(make_model), LEAN.without(name))


def test_the_engine_runs_with_every_switch_on(parties: LeanParties, make_model: MakeModel) -> None:
    assert Lean().settings == asdict(LEAN)
    model = make_model(seed=5, layers=1)
    parties.load("default", model)
    seen = parties.infer("default", model.embeddings(IDS, SEGMENTS).detach().numpy(), KEEP.numpy())
    assert wires(seen.costs) == wires(predict(model.architecture, *IDS.shape).costs)
    assert seen.offline_seconds is not None


def odd_widths(parties: Any, settings: Any, lengths: tuple[int, ...]) -> None:
    """Check costs at lengths whose maximum leaves a rest at several levels."""
    architecture = Architecture(8, (Layer(heads=1, head_size=8, ffn_size=8),), outputs=2)
    model = Model(architecture, Embeddings(5, 40, 2, 8, 1e-12))
    parties.load(f"odd-{settings}", model, settings)
    for length in lengths:
        embedded = np.zeros((1, length, 8), dtype=np.float32)
        embedded[..., 0] = 1
        seen = parties.infer(f"odd-{settings}", embedded, np.ones((1, length), dtype=np.int64))
        assert wires(seen.costs) == wires(Setup("", architecture, settings, 1, length).predict().costs), length


def test_odd_widths_cost_what_is_predicted(parties: LeanParties) -> None:
    odd_widths(parties, LEAN, (2, 5, 11, 23))


def test_a_dropped_model_can_be_loaded_again(parties: LeanParties, make_model: MakeModel) -> None:
    for seed in (1, 2, 3, 1):
        assert run(parties, make_model(seed, layers=1))[1] < bound_of(LEAN)


def test_a_loaded_model_serves_any_batch_again_and_again(parties: LeanParties, make_model: MakeModel) -> None:
    model = make_model(seed=9, layers=1)
    parties.load("shapes", model)
    embedded = model.embeddings(IDS, SEGMENTS).detach().numpy()
    for rows, length in ((2, 7), (1, 3), (2, 7)):
        logits = model(IDS[:rows, :length], SEGMENTS[:rows, :length], KEEP[:rows, :length]).logits.detach().numpy()
        seen = parties.infer("shapes", embedded[:rows, :length], KEEP[:rows, :length].numpy())
        np.testing.assert_allclose(seen.logits, logits, atol=0.04)


def test_a_model_that_lacks_a_weight_or_has_a_strange_one_is_not_loaded(make_model: MakeModel) -> None:
    model = make_model()
    state = {name: value.numpy() for name, value in model.state_dict().items() if is_served(model.architecture, name)}
    check_state(model.architecture, state)
    renamed = {name.replace("qkv_weight", "qkv_coefficients"): value for name, value in state.items()}
    with pytest.raises(ValueError, match=r"'layers\.0\.qkv_coefficients' is not declared"):
        check_state(model.architecture, renamed)
    with pytest.raises(ValueError, match=r"'head\.pooler_bias' is missing"):
        check_state(model.architecture, {name: state[name] for name in state if name != "head.pooler_bias"})


def with_bias(model: Model, name: str, values: torch.Tensor) -> Model:
    with torch.no_grad():
        for layer in model.layers:
            layer[name].copy_(values)
    return model


def large_pre_activations(parties: Any, make_model: MakeModel, settings: Any) -> None:
    """Check logits where GELU's inputs are large."""
    pattern = torch.tensor([25.0, -25.0, 0.0, 8.0, -8.0, 3.0, -3.0, 1.0]).repeat(4)
    model = with_bias(make_model(layers=1), "ffn_in_bias", pattern)
    with torch.no_grad():
        for layer in model.layers:
            layer["ffn_out_weight"].mul_(0.2)
    assert run(parties, model, settings)[1] < bound_of(settings)


def test_large_pre_activations_go_through_gelu(parties: LeanParties, make_model: MakeModel) -> None:
    large_pre_activations(parties, make_model, LEAN)


def outlier_of_variance_130(parties: Any, make_model: MakeModel, settings: Any) -> None:
    """Check logits where a LayerNorm's variance is large."""
    outlier = torch.zeros(16)
    outlier[3] = 130**0.5 * 16 / 15**0.5
    model = with_bias(make_model(layers=1), "ffn_out_bias", outlier)
    seen: list[float] = []

    class Variances(type(floats_of(settings))):  # type: ignore[misc]
        def layer_norm(self, a: torch.Tensor, *rest: Any) -> torch.Tensor:
            seen.append(float(a.var(-1, correction=0).max()))
            return super().layer_norm(a, *rest)

    with torch.no_grad():
        model(IDS, SEGMENTS, KEEP, Variances())
    assert 110 < max(seen) < 160
    assert run(parties, model, settings)[1] < bound_of(settings)


def test_an_outlier_of_variance_130_goes_through_layer_norm(parties: LeanParties, make_model: MakeModel) -> None:
    outlier_of_variance_130(parties, make_model, LEAN)
