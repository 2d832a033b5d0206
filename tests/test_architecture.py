from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pibench.model.architecture import Architecture, Layer
from pibench.model.operators.activation import ACTIVATION
from pibench.model.operators.norm import NORM
from pibench.model.operators.softmax import SOFTMAX

MINILM = Architecture(384, (Layer(12, 32, 1536),) * 6, outputs=2)

sizes = st.integers(1, 4096)
layers = st.builds(
    Layer,
    sizes,
    sizes,
    sizes,
    softmax=st.sampled_from(sorted(SOFTMAX)),
    activation=st.sampled_from(sorted(ACTIVATION)),
    norm=st.sampled_from(sorted(NORM)),
)
architectures = st.builds(
    Architecture, sizes, st.lists(layers, min_size=1, max_size=4).map(tuple), sizes, st.floats(1e-12, 1e-3)
)


def test_key_is_the_same_in_every_release() -> None:
    assert MINILM.key == "336f7f83252e"


@settings(max_examples=50)
@given(architectures)
def test_spec_survives_json(architecture: Architecture) -> None:
    again = Architecture.from_spec(json.loads(json.dumps(architecture.spec())))
    assert again == architecture
    assert again.key == architecture.key


@pytest.mark.parametrize(
    "other",
    [
        replace(MINILM, hidden_size=768),
        replace(MINILM, outputs=3),
        replace(MINILM, norm_eps=1e-5),
        replace(MINILM, layers=MINILM.layers[1:]),
        MINILM.with_layers(heads=6),
        MINILM.with_layers(head_size=16),
        MINILM.with_layers(ffn_size=384),
        MINILM.with_layers(softmax="two_quad"),
        MINILM.with_layers(activation="relu"),
        replace(MINILM, layers=(replace(MINILM.layers[0], heads=6), *MINILM.layers[1:])),
        replace(MINILM, layers=(*MINILM.layers[1:], replace(MINILM.layers[0], heads=6))),
    ],
)
def test_every_public_detail_changes_the_key(other: Architecture) -> None:
    assert other.key != MINILM.key


def test_position_of_a_layer_changes_the_key() -> None:
    first = replace(MINILM, layers=(replace(MINILM.layers[0], heads=6), *MINILM.layers[1:]))
    assert first.key != replace(first, layers=first.layers[::-1]).key


def test_with_layers_changes_every_layer_and_nothing_else() -> None:
    changed = MINILM.with_layers(softmax="two_quad")
    assert {layer.softmax for layer in changed.layers} == {"two_quad"}
    assert changed.with_layers(softmax="exact") == MINILM
