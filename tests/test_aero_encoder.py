from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.aero import encoder
from baselines.aero.encoder import convert
from baselines.aero.method import RUNGS
from baselines.aero.rungs import parse_rung
from pibench.disk import Cache
from pibench.engines.lean.ledger import predict as cost
from pibench.methods.surgery.layers import observe
from pibench.methods.surgery.norm import with_affine_norms
from pibench.training.budget import Budget
from pibench.training.finetune import predict
from tests.conftest import MakeData, MakeModel

BUDGET = Budget(epochs=2, examples=16, batch_size=8, learning_rate=1e-3)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("SM+LN+R", ("relu", "layer_norm", 32, False)),
        ("SM+G", ("gelu", "none", 32, True)),
        ("SM+R", ("relu", "none", 32, True)),
        ("SM+ScFuFFN", ("identity", "none", 0, True)),
        ("EReg(SM+ScFuFFN)", ("identity", "none", 0, True)),
        ("SM+ScFuFFN_i2", ("identity", "none", None, False)),
    ],
)
def test_an_encoder_becomes_what_the_rung_says(
    make_model: MakeModel, make_data: MakeData, name: str, layer: tuple[str, str, int | None, bool]
) -> None:
    model = convert(make_model(), make_data(), BUDGET, parse_rung(name), "1")
    found = {(own.activation, own.norm, own.ffn_size, own.scaled) for own in model.architecture.layers}
    assert found == {layer}
    operators = {operator.split(".")[-1] for operator in cost(model.architecture, 1, 8).costs}
    assert ("activation" in operators) == (layer[0] != "identity")
    assert ("ffn_norm" in operators) == (layer[1] == "layer_norm")
    assert len(model.notes["stage_scores"]) == 1


def test_every_rung_of_the_method_is_cheaper_than_the_one_before(make_model: MakeModel) -> None:
    dense = make_model().architecture
    totals = [cost(parse_rung(name).of(dense, 8), 1, 8).total().bytes for name in ("SM+LN+G", *RUNGS[:1], RUNGS[2])]
    assert totals[0] > totals[1] > totals[2]


def test_affine_norms_are_the_nearest_ones(make_model: MakeModel, make_data: MakeData) -> None:
    dense, data = make_model(), make_data(40)
    seen = observe(dense, data.selection, data.pad_id)
    own = with_affine_norms(dense, 0, seen).layer_weights[0]
    before, after = seen.tokens("layer0.ffn_norm")

    def error(slope: torch.Tensor, shift: torch.Tensor) -> float:
        return float((before * slope + shift - after).square().mean().detach())

    slope, shift = own["ffn_norm_weight"].detach(), own["ffn_norm_bias"].detach()
    best = error(slope, shift)
    assert best < float(after.var())
    for step in (-0.02, 0.02):
        assert best < error(slope + step, shift)
        assert best < error(slope, shift + step)


def test_entropy_regularisation_changes_what_is_learned(
    make_model: MakeModel, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense, data = make_model(), make_data()
    plain, other = (convert(dense, data, BUDGET, parse_rung(name), "1") for name in RUNGS[2:])
    assert plain.architecture == other.architecture
    assert plain.fingerprint() != other.fingerprint()
    monkeypatch.setattr(encoder, "STRENGTH", 0.0)
    without = convert(dense, data, BUDGET, parse_rung(RUNGS[3]), "1")
    torch.testing.assert_close(*(torch.from_numpy(predict(m, data.selection, 0)) for m in (plain, without)))


def test_a_conversion_goes_on_where_it_was_cut(
    make_model: MakeModel, make_data: MakeData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense, data, rung = make_model(layers=4), replace(make_data(), cache=Cache(tmp_path)), parse_rung("SM+ScFuFFN")
    whole = convert(dense, make_data(), BUDGET, rung, "1")
    recover, calls = encoder.recover, 0

    def cut(*arguments: Any, **named: Any) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return recover(*arguments, **named)

    monkeypatch.setattr(encoder, "recover", cut)
    with pytest.raises(KeyboardInterrupt):
        convert(dense, data, BUDGET, rung, "1")
    again = convert(dense, data, BUDGET, rung, "1")
    assert calls == 4  # the first stage is not made again
    np.testing.assert_allclose(predict(again, data.selection, 0), predict(whole, data.selection, 0), atol=1e-5)
