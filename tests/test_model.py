from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pibench.model.floats import TorchInterpreter
from pibench.tasks.batches import pad
from tests.conftest import MakeModel, MakeSplit

IDS = torch.tensor([[1, 10, 25, 31, 2], [1, 44, 2, 0, 0]])
KEEP = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
SEGMENTS = torch.zeros_like(IDS)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_shapes(make_model: MakeModel, outputs: int) -> None:
    output = make_model(outputs=outputs, layers=3)(IDS, SEGMENTS, KEEP)
    assert output.logits.shape == (2, outputs)
    assert [hidden.shape for hidden in output.hidden] == [(2, 5, 16)] * 3


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), extra=st.integers(0, 20), softmax=st.sampled_from(["exact", "two_quad"]))
def test_padding_changes_no_logit(
    make_model: MakeModel, make_split: MakeSplit, seed: int, extra: int, softmax: str
) -> None:
    model, split = make_model(seed, softmax=softmax), make_split(4, seed=seed)
    for index in range(4):
        short = pad(split, [index], 0)
        long = pad(split, [index, (index + 1) % 4], 0, length=12 + extra)
        with torch.no_grad():
            alone = model(short.input_ids, short.token_type_ids, short.keep).logits[0]
            padded = model(long.input_ids, long.token_type_ids, long.keep).logits[0]
        torch.testing.assert_close(alone, padded, rtol=1e-4, atol=1e-5)


def test_padding_changes_no_logit_where_scores_are_large(make_model: MakeModel, make_split: MakeSplit) -> None:
    model, split = make_model(), make_split(4)
    with torch.no_grad():
        for own in model.layer_weights:
            own["qkv_weight"][:32].mul_(100)
        for index in range(4):
            short, long = pad(split, [index], 0), pad(split, [index], 0, length=32)
            alone = model(short.input_ids, short.token_type_ids, short.keep).logits
            padded = model(long.input_ids, long.token_type_ids, long.keep).logits
            torch.testing.assert_close(alone, padded, rtol=1e-4, atol=1e-5)


def test_order_segments_and_every_token_matter(make_model: MakeModel) -> None:
    model, base = make_model(), make_model()(IDS, SEGMENTS, KEEP).logits[0]
    others = [
        (IDS[:, [0, 2, 1, 3, 4]], SEGMENTS),
        (IDS, torch.ones_like(SEGMENTS)),
        (IDS.where(IDS != 31, 30), SEGMENTS),
    ]
    for ids, segments in others:
        assert not torch.allclose(model(ids, segments, KEEP).logits[0], base, atol=1e-3)


def test_dropout_is_off_unless_asked_for(make_model: MakeModel) -> None:
    model = make_model().train()
    plain = model(IDS, SEGMENTS, KEEP).logits
    assert torch.equal(plain, model(IDS, SEGMENTS, KEEP).logits)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.allclose(plain, model(IDS, SEGMENTS, KEEP, TorchInterpreter(dropout=0.5)).logits)


def test_gates_of_one_change_nothing_and_gates_are_per_example(make_model: MakeModel) -> None:
    model = make_model()
    plain = model(IDS, SEGMENTS, KEEP).logits
    gates = torch.ones(2, 2, 4)
    torch.testing.assert_close(model(IDS, SEGMENTS, KEEP, gates=gates).logits, plain)
    gates[1, 0, 2] = 0
    gated = model(IDS, SEGMENTS, KEEP, gates=gates).logits
    assert not torch.allclose(gated[0], plain[0], atol=1e-4)
    torch.testing.assert_close(gated[1], plain[1])


def test_rebuilt_keeps_what_fits_and_is_a_copy(make_model: MakeModel) -> None:
    model = make_model()
    before = model.fingerprint()
    changed = model.architecture.with_layers(activation="quadratic")
    rebuilt = model.rebuilt(replace(changed, outputs=3))
    assert rebuilt.architecture.outputs == 3
    old, new = model.state_dict(), rebuilt.state_dict()
    differing = {name for name in new if name not in old or not torch.equal(old.get(name), new[name])}
    assert differing == {
        "head.classifier_weight",
        "head.classifier_bias",
        "layers.0.activation_coefficients",
        "layers.1.activation_coefficients",
    }
    with torch.no_grad():
        for value in rebuilt.parameters():
            value.add_(1)
    assert model.fingerprint() == before


def test_rebuilt_alike_computes_alike(make_model: MakeModel) -> None:
    model = make_model()
    same = model.rebuilt(model.architecture)
    assert torch.equal(same(IDS, SEGMENTS, KEEP).logits, model(IDS, SEGMENTS, KEEP).logits)
    assert same.fingerprint() == model.fingerprint()


def test_fingerprint_changes_with_any_one_weight(make_model: MakeModel) -> None:
    model = make_model(activation="quadratic")
    seen = {model.fingerprint()}
    for value in model.parameters():
        with torch.no_grad():
            value.view(-1)[-1] += 1e-3
        seen.add(model.fingerprint())
    assert len(seen) == 1 + len(list(model.parameters()))


def test_fingerprint_changes_with_the_architecture(make_model: MakeModel) -> None:
    model = make_model()
    assert model.rebuilt(model.architecture.with_layers(softmax="two_quad")).fingerprint() != model.fingerprint()
