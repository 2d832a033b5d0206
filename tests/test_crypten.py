"""CrypTen's own tensors between two real processes, by its stock lowering and by ours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from pibench.engines.crypten.compat import import_crypten
from pibench.engines.crypten.engine import Crypten, CryptenParties
from pibench.engines.crypten.overrides import plain_config
from pibench.engines.crypten.settings import FAIR, STOCK
from pibench.engines.crypten.tensors import SIGMOID_GELU
from tests.conftest import MakeModel
from tests.test_lean import (
    EVERY_MODEL,
    MODELS,
    SigmoidGelu,
    check,
    large_pre_activations,
    odd_widths,
    outlier_of_variance_130,
)

pytestmark = pytest.mark.mpc

SETTINGS = {"fair": replace(FAIR, prefetch=False), "stock": replace(STOCK, prefetch=False)}
EVERY_LOWERING = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def test_the_stand_in_for_gelu_is_as_good_as_stated() -> None:
    x = torch.linspace(-8, 8, 4001)
    assert float((x * torch.sigmoid(SIGMOID_GELU * x) - functional.gelu(x)).abs().max()) < 0.0205
    torch.testing.assert_close(SigmoidGelu().gelu(x), x * torch.sigmoid(SIGMOID_GELU * x))


@EVERY_LOWERING
@EVERY_MODEL
def test_logits_and_costs(crypten: CryptenParties, make_model: MakeModel, kind: str, settings: object) -> None:
    check(crypten, MODELS[kind](make_model), settings)


OVERRIDES = [
    ("fair", {"plain_config": True}),
    ("fair", {"raw_sockets": True}),
    ("fair", {"prefetch": True}),
    ("fair", {"plain_config": True, "raw_sockets": True, "prefetch": True}),
    ("stock", {"plain_config": True, "raw_sockets": True, "prefetch": True}),
]


@pytest.mark.parametrize(("name", "changes"), OVERRIDES, ids=[f"{name}-{'-'.join(on)}" for name, on in OVERRIDES])
def test_overrides_change_neither_values_nor_costs_and_go_away(
    crypten: CryptenParties, make_model: MakeModel, name: str, changes: dict[str, bool]
) -> None:
    model = make_model(layers=1)
    check(crypten, model, replace(SETTINGS[name], **changes))
    check(crypten, model, SETTINGS[name])


def test_the_engine_runs_its_stock_lowering(crypten: CryptenParties, make_model: MakeModel) -> None:
    assert Crypten().settings["lowering"] == "stock"
    check(crypten, make_model(seed=5, layers=1), STOCK)


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


@EVERY_LOWERING
def test_odd_widths_cost_what_is_predicted(crypten: CryptenParties, settings: object) -> None:
    odd_widths(crypten, settings, (2, 11))


@EVERY_LOWERING
def test_large_pre_activations_go_through_gelu(
    crypten: CryptenParties, make_model: MakeModel, settings: object
) -> None:
    large_pre_activations(crypten, make_model, settings)


@EVERY_LOWERING
def test_an_outlier_of_variance_130_goes_through_layer_norm(
    crypten: CryptenParties, make_model: MakeModel, settings: object
) -> None:
    outlier_of_variance_130(crypten, make_model, settings)
