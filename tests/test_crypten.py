from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from pibench.engines.crypten.compat import import_crypten
from pibench.engines.crypten.ledger import StockLedger
from pibench.engines.crypten.overrides import plain_config
from pibench.engines.crypten.tensors import SIGMOID_GELU
from pibench.engines.lean.ledger import Cost, Ledger, predict
from pibench.engines.lean.parties import Parties
from pibench.engines.lean.party import Inference, Lowering
from pibench.engines.lean.protocol import CLIENT, SERVER
from pibench.engines.lean.switches import CRYPTEN, CRYPTEN_STEPS, LEAN, NAMES, Switches
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


@dataclass(frozen=True)
class Engine:
    """What runs a model, what predicts its costs, the floats that it stands for and how far its logits are off."""

    lowering: Lowering
    switches: Switches
    ledger: Callable[[], Ledger]
    floats: type[TorchInterpreter] = TorchInterpreter

    @property
    def bound(self) -> float:
        """The largest error of logits: with 13 fractional bits about 0.006 on average and rarely 0.02."""
        return 0.02 if self.switches.fraction_bits == 16 else 0.04

    def with_switches(self, **changes: bool) -> Engine:
        return replace(self, switches=replace(self.switches, **changes))


def lean_without(name: str) -> Engine:
    switches = LEAN.without(name)
    return Engine("fair", switches, lambda: Ledger(switches))


ENGINES = {
    "lean": Engine("fair", LEAN, Ledger),
    "crypten": Engine("fair", Switches(), lambda: Ledger(CRYPTEN_STEPS)),
    "stock": Engine("stock", Switches(), StockLedger, SigmoidGelu),
}
EVERY_ENGINE = pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)


def test_the_stand_in_for_gelu_is_as_good_as_stated() -> None:
    x = torch.linspace(-8, 8, 4001)
    assert float((x * torch.sigmoid(SIGMOID_GELU * x) - functional.gelu(x)).abs().max()) < 0.0205
    torch.testing.assert_close(SigmoidGelu().gelu(x), x * torch.sigmoid(SIGMOID_GELU * x))


def pruned(make_model: MakeModel) -> Model:
    return prune_heads(make_model(layers=1), torch.tensor([[1, 0, 1, 1]]).bool())


def mixed(make_model: MakeModel) -> Model:
    """Return a model of one exact layer and one of cheap operators."""
    cheap = make_model(softmax="two_quad", activation="quadratic")
    exact, _ = make_model().architecture.layers
    return cheap.rebuilt(replace(cheap.architecture, layers=(exact, cheap.architecture.layers[1])))


MODELS: dict[str, Callable[[MakeModel], Model]] = {
    "mixed": mixed,
    "relu": lambda make: make(layers=1, activation="relu"),
    "pruned": pruned,
    "regression": lambda make: make(layers=1, outputs=1),
}


@torch.no_grad()
def run(
    parties: Parties, model: Model, engine: Engine = ENGINES["lean"], audit: bool = False
) -> tuple[list[Inference], float]:
    """Run both sentences between the parties; return both views and the largest logit error."""
    name = f"{model.fingerprint()}-{engine.lowering}-{engine.switches}"
    parties.load(name, model, engine.lowering, engine.switches)
    views = parties.infer(name, model.embeddings(IDS, SEGMENTS).numpy(), KEEP.numpy(), audit)
    floats = model(IDS, SEGMENTS, KEEP, engine.floats()).logits.numpy()
    return views, float(np.abs(views[SERVER].logits - floats).max())


def wires(costs: dict[str, Cost]) -> dict[str, tuple[int, int]]:
    """Return bytes and rounds of the operators that have any."""
    return {name: (cost.bytes, cost.rounds) for name, cost in costs.items() if cost.rounds}


def check(parties: Parties, model: Model, engine: Engine) -> None:
    """Assert that both parties see the floats' logits, at the predicted bytes and rounds."""
    views, error = run(parties, model, engine)
    assert error < engine.bound
    assert np.array_equal(views[SERVER].logits, views[CLIENT].logits)
    predicted = wires(predict(model.architecture, *IDS.shape, engine.ledger()).costs)
    for view in views:
        assert wires(view.costs) == predicted
        assert 0 < view.compute_seconds < view.seconds
        assert view.wraps is None
        assert (view.offline_seconds is not None) == engine.switches.prefetch


@EVERY_ENGINE
@pytest.mark.parametrize("kind", MODELS)
def test_logits_and_costs(parties: Parties, make_model: MakeModel, kind: str, engine: Engine) -> None:
    check(parties, MODELS[kind](make_model), engine)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "direct_shares"])
def test_each_switch_off_has_the_same_logits_and_its_own_costs(
    parties: Parties, make_model: MakeModel, name: str
) -> None:
    check(parties, mixed(make_model), lean_without(name))


OVERRIDES = [
    ("crypten", {"plain_config": True}),
    ("crypten", {"raw_sockets": True}),
    ("crypten", {"prefetch": True}),
    ("crypten", {"plain_config": True, "raw_sockets": True, "prefetch": True}),
    ("stock", {"plain_config": True, "raw_sockets": True, "prefetch": True}),
]


@pytest.mark.parametrize(("name", "changes"), OVERRIDES, ids=[f"{name}-{'-'.join(on)}" for name, on in OVERRIDES])
def test_the_overrides_of_crypten_change_neither_values_nor_costs_and_go_away(
    parties: Parties, make_model: MakeModel, name: str, changes: dict[str, bool]
) -> None:
    model = make_model(layers=1)
    check(parties, model, ENGINES[name].with_switches(**changes))
    check(parties, model, ENGINES[name])


def test_a_lowering_runs_with_its_own_switches_unless_told_otherwise(parties: Parties, make_model: MakeModel) -> None:
    model = make_model(seed=5, layers=1)
    embedded = model.embeddings(IDS, SEGMENTS).detach().numpy()
    for kind, lowering in {"lean": "fair", "stock": "stock"}.items():
        parties.load(f"default-{kind}", model, lowering)
        predicted = predict(model.architecture, *IDS.shape, ENGINES[kind].ledger()).costs
        for view in parties.infer(f"default-{kind}", embedded, KEEP.numpy()):
            assert wires(view.costs) == wires(predicted)
            assert view.offline_seconds is not None


def test_plain_settings_are_crypten_s_and_go_away(need_crypten: None) -> None:
    config = import_crypten().cfg
    before, override = config.config, type(config).temp_override
    method, steps = config.functions.max_method, config.functions.exp_iterations
    with plain_config():
        assert (config.functions.max_method, config.functions.exp_iterations) == (method, steps)
        with (
            pytest.raises(KeyError),
            config.temp_override({"functions.exp_iterations": 3, "communicator.verbose": "x"}),
        ):
            assert (config.functions.exp_iterations, config.communicator.verbose) == (3, "x")
            raise KeyError
        assert config.functions.exp_iterations == steps
        assert config.communicator.verbose != "x"
    assert config.config is before
    assert type(config).temp_override is override


def test_odd_widths_cost_what_is_predicted(parties: Parties) -> None:
    """Lengths whose maximum leaves a rest at several levels."""
    architecture = Architecture(8, (Layer(heads=1, head_size=8, ffn_size=8),), outputs=2)
    model = Model(architecture, Embeddings(5, 40, 2, 8, 1e-12))
    for kind, engine in ENGINES.items():
        parties.load(f"odd-{kind}", model, engine.lowering, engine.switches)
        for length in (2, 5, 11, 23) if kind == "lean" else (2, 11):
            embedded = np.zeros((1, length, 8), dtype=np.float32)
            embedded[..., 0] = 1
            view = parties.infer(f"odd-{kind}", embedded, np.ones((1, length), dtype=np.int64))[SERVER]
            predicted = predict(architecture, 1, length, engine.ledger()).costs
            assert wires(view.costs) == wires(predicted), length


def test_a_dropped_model_can_be_loaded_again(parties: Parties, make_model: MakeModel) -> None:
    for seed in (1, 2, 3, 1):
        assert run(parties, make_model(seed, layers=1))[1] < ENGINES["lean"].bound


@pytest.mark.parametrize("switches", [LEAN, CRYPTEN], ids=["lean", "crypten"])
def test_a_loaded_model_serves_any_batch_again_and_again(
    parties: Parties, make_model: MakeModel, switches: Switches
) -> None:
    model = make_model(seed=9, layers=1)
    name = f"shapes-{switches}"
    parties.load(name, model, "fair", switches)
    embedded = model.embeddings(IDS, SEGMENTS).detach().numpy()
    for rows, length in ((2, 7), (1, 3), (2, 7)):
        logits = model(IDS[:rows, :length], SEGMENTS[:rows, :length], KEEP[:rows, :length]).logits.detach().numpy()
        views = parties.infer(name, embedded[:rows, :length], KEEP[:rows, :length].numpy())
        np.testing.assert_allclose(views[CLIENT].logits, logits, atol=0.04)


def with_bias(model: Model, name: str, values: torch.Tensor) -> Model:
    with torch.no_grad():
        for layer in model.layers:
            layer[name].copy_(values)
    return model


@EVERY_ENGINE
def test_large_pre_activations_go_through_gelu(parties: Parties, make_model: MakeModel, engine: Engine) -> None:
    pattern = torch.tensor([25.0, -25.0, 0.0, 8.0, -8.0, 3.0, -3.0, 1.0]).repeat(4)
    model = with_bias(make_model(layers=1), "ffn_in_bias", pattern)
    with torch.no_grad():
        for layer in model.layers:
            layer["ffn_out_weight"].mul_(0.2)
    _, error = run(parties, model, engine)
    assert error < engine.bound


@EVERY_ENGINE
def test_an_outlier_of_variance_130_goes_through_layer_norm(
    parties: Parties, make_model: MakeModel, engine: Engine
) -> None:
    outlier = torch.zeros(16)
    outlier[3] = 130**0.5 * 16 / 15**0.5
    model = with_bias(make_model(layers=1), "ffn_out_bias", outlier)
    seen: list[float] = []

    class Variances(engine.floats):  # type: ignore[misc, name-defined]
        def layer_norm(self, a: torch.Tensor, *rest: Any) -> torch.Tensor:
            seen.append(float(a.var(-1, correction=0).max()))
            return super().layer_norm(a, *rest)

    with torch.no_grad():
        model(IDS, SEGMENTS, KEEP, Variances())
    assert 110 < max(seen) < 160
    _, error = run(parties, model, engine)
    assert error < engine.bound
