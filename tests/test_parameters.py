"""Each parameter is declared once; what nobody declared is neither loaded nor opened."""

from __future__ import annotations

import pytest
import torch

from pibench.engines.lean.ledger import predict, secret_shapes
from pibench.engines.lean.shares import Known, Shared
from pibench.engines.lean.switches import LEAN
from pibench.model.architecture import Architecture, Layer
from pibench.model.parameters import Parameter, Role, Visibility, Weights, parameters
from tests.conftest import MakeModel

EVERYTHING = {
    "softmax": "power2",
    "activation": "quadratic",
    "scaled": True,
    "attention_scaled": True,
    "temperatures": 7,
    "position_buckets": 8,
}
DECODER = Architecture(16, (Layer(heads=4, head_size=4, ffn_size=0),), outputs=30, family="decoder")


def test_public_are_coefficients_temperatures_and_the_factors_of_a_scaled_ffn(make_model: MakeModel) -> None:
    model = make_model(**EVERYTHING)
    public = {name for place in parameters(model.architecture) for name, one in place.items() if one.public}
    assert public == {
        "softmax_coefficients",
        "activation_coefficients",
        "temperature_coefficients",
        "ffn_coefficients",
        "attention_coefficients",
    }
    assert model.public_names() == {f"layers.{index}.{name}" for index in (0, 1) for name in public}


def test_all_else_is_secret_and_is_shared_or_masked_by_its_role(make_model: MakeModel) -> None:
    architecture = make_model(**EVERYTHING).architecture
    shared = secret_shapes(architecture, LEAN)
    for place, own in zip(parameters(architecture), [*shared.layers, shared.head], strict=True):
        for name, value in own.items():
            kind = torch.Tensor if place[name].public else Known if place[name].multiplies else Shared
            assert isinstance(value, kind), name


@pytest.mark.parametrize("architecture", [DECODER, DECODER.with_layers(norm="none", ffn_size=None)])
def test_a_decoder_s_vocabulary_is_declared_and_tied_to_its_embedding(architecture: Architecture) -> None:
    head = parameters(architecture)[-1]
    assert {name for name, one in head.items() if one.tied} == {"vocabulary_weight", "vocabulary_bias"}
    assert predict(architecture, 1, 5).total().bytes > 0


def test_shapes_are_those_of_the_stored_tensors(make_model: MakeModel) -> None:
    model = make_model(**EVERYTHING)
    for place, own in zip(parameters(model.architecture), [*model.layer_weights, model.head], strict=True):
        assert {name: one.shape for name, one in place.items()} == {
            name: tuple(value.shape) for name, value in own.items()
        }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda own: own | {"secret_coefficients": torch.ones(3)}, "'secret_coefficients' is not declared"),
        (lambda own: {f"{name}_coefficients": value for name, value in own.items()}, "is not declared|but missing"),
        (
            lambda own: {name: value for name, value in own.items() if name != "qkv_bias"},
            "'qkv_bias' is declared but mis",
        ),
    ],
)
def test_an_undeclared_or_renamed_tensor_is_refused_before_anything_sees_it(
    make_model: MakeModel, change: object, said: str
) -> None:
    weights = make_model().weights()
    with pytest.raises(ValueError, match=said):
        Weights(weights.architecture, [change(dict(weights.layers[0])), weights.layers[1]], weights.head)  # type: ignore[operator]


def test_a_declaration_says_who_may_see_it() -> None:
    secret = Parameter("a_coefficients", (2,), Role.MATRIX)
    public = Parameter("a_weight", (2,), Role.MATRIX, Visibility.PUBLIC)
    assert (secret.public, secret.multiplies, public.public, public.multiplies) == (False, True, True, False)
