from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, GPT2Config, GPT2LMHeadModel

from pibench.engines.crypten.settings import STOCK
from pibench.engines.lean.fixed_point import FixedPoint
from pibench.engines.lean.ledger import predict
from pibench.engines.lean.switches import LEAN
from pibench.errors import InputError
from pibench.measure.cost import checked
from pibench.measure.setups import Setup
from pibench.model.architecture import Architecture, Layer
from pibench.model.backbones.adapter import ADAPTERS
from pibench.model.backbones.backbone import Backbone, build_model, export, load_backbone
from pibench.model.forward import forward
from pibench.model.module import DecoderEmbeddings, Model, blank
from pibench.testing.models import save_checkpoint

WORDS, POSITIONS = 40, 12
SIZES = {"n_layer": 2, "n_head": 4, "n_embd": 16, "vocab_size": WORDS, "n_positions": POSITIONS}


def gpt2(**changes: object) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(**SIZES | changes)).eval()
    with torch.no_grad():
        for value in model.parameters():  # the initial zeros and ones would hide a mistake
            value.add_(0.1 * torch.randn_like(value))
    return model


def ours(theirs: GPT2LMHeadModel) -> Model:
    return build_model(Backbone("gpt2", ADAPTERS["gpt2"], theirs.transformer, None))


def inputs(batch: int = 3, length: int = 9) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids = torch.randint(WORDS, (batch, length), generator=torch.Generator().manual_seed(1))
    return ids, torch.zeros_like(ids), torch.ones_like(ids)


def make_decoder(seed: int = 0, **operators: object) -> Model:
    torch.manual_seed(seed)
    layer = Layer(heads=4, head_size=4, ffn_size=32)
    architecture = Architecture(16, (replace(layer, **operators),) * 2, WORDS, family="decoder")
    model = Model(architecture, DecoderEmbeddings(WORDS, POSITIONS, 16)).eval()
    with torch.no_grad():
        for temperatures in model.unset().values():
            temperatures.zero_()
        for value in model.parameters():
            value.add_(0.2 * torch.randn_like(value))
    return model


@pytest.mark.parametrize("activation", ["gelu_new", "gelu", "relu"])
@torch.no_grad()
def test_logits_are_those_of_transformers(activation: str) -> None:
    theirs = gpt2(activation_function=activation)
    ids, segments, keep = inputs()
    own = ours(theirs)(ids, segments, keep).logits
    assert own.shape == (3, 9, WORDS)
    torch.testing.assert_close(own, theirs(input_ids=ids).logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_gpt2_of_its_own_size_has_transformers_logits() -> None:
    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(GPT2Config(n_layer=2, vocab_size=500)).eval()
    ids = torch.randint(500, (2, 64))
    own = ours(theirs)(ids, torch.zeros_like(ids), torch.ones_like(ids)).logits
    assert float((own - theirs(input_ids=ids).logits).abs().max()) < 1e-4


def test_a_checkpoint_loads_from_its_folder(tmp_path: Path) -> None:
    theirs = gpt2()
    save_checkpoint(theirs, tmp_path)
    ids, segments, keep = inputs()
    backbone = load_backbone(str(tmp_path), "decoder")
    own = build_model(backbone)
    with torch.no_grad():
        torch.testing.assert_close(own(ids, segments, keep).logits, theirs(input_ids=ids).logits)
        assert torch.equal(export(own, backbone)(input_ids=ids).logits, theirs(input_ids=ids).logits)
    assert backbone.positions == POSITIONS


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (BertConfig(), "is a bert model, an encoder: a decoder is needed"),
        (GPT2Config(activation_function="silu"), "activation 'silu'"),
        (GPT2Config(scale_attn_by_inverse_layer_idx=True), "1 / sqrt"),
        (GPT2Config(tie_word_embeddings=False), "tied"),
    ],
)
def test_what_our_decoder_lacks_is_refused(tmp_path: Path, config: BertConfig | GPT2Config, words: str) -> None:
    config.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=words):
        load_backbone(str(tmp_path), "decoder")


def test_a_missing_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        load_backbone(str(tmp_path / "none"), "decoder")


@pytest.mark.parametrize("softmax", ["exact", "two_quad", "power4"])
@torch.no_grad()
def test_no_word_sees_a_later_one(softmax: str) -> None:
    model = make_decoder(softmax=softmax, temperatures=POSITIONS)
    ids, segments, keep = inputs()
    changed = ids.clone()
    changed[:, 5] = (ids[:, 5] + 1) % WORDS
    before, after = (model(one, segments, keep).logits for one in (ids, changed))
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:], atol=1e-3)


@torch.no_grad()
def test_last_gives_the_last_position_s_logits() -> None:
    model = make_decoder()
    ids, segments, keep = inputs()
    whole = model(ids, segments, keep).logits
    ops, embedded = FixedPoint(LEAN, inject=False), model.embeddings(ids, segments).double()
    last = forward(ops, model.architecture, ops.quantise(model.weights()), ops.encode(embedded), keep, last=True)
    assert last.logits.shape == (3, 1, WORDS)
    torch.testing.assert_close(last.logits[:, 0].float(), whole[:, -1], atol=0.05, rtol=0.02)


def test_the_vocabulary_is_the_embedding() -> None:
    model = make_decoder()
    assert model.weights().head["vocabulary_weight"] is model.embeddings.word.weight
    assert model.architecture.outputs == WORDS


def test_ledger_books_a_decoder_s_parts() -> None:
    model = make_decoder()
    assert [value.shape for value in blank(model.architecture).parameters()] == [
        value.shape if name != "embeddings.position.weight" else (1, 16) for name, value in model.named_parameters()
    ]
    costs = predict(model.architecture, 1, 8).costs
    assert {"layer0.attention_norm", "layer1.ffn_norm", "final_norm", "vocabulary"} <= costs.keys()


@pytest.mark.mpc
@pytest.mark.parametrize(("engine", "settings"), [("parties", LEAN), ("crypten", STOCK)], ids=["lean", "crypten"])
@pytest.mark.parametrize(
    "operators",
    [{}, {"norm": "none", "activation": "identity", "ffn_size": 0, "scaled": True, "temperatures": POSITIONS}],
    ids=["plain", "Softmax-only"],
)
@torch.no_grad()
def test_two_parties_reveal_the_next_word_s_logits(
    request: pytest.FixtureRequest, operators: dict[str, object], engine: str, settings: Any
) -> None:
    model, parties = make_decoder(**operators), request.getfixturevalue(engine)
    ids, segments, keep = inputs(2, 8)
    parties.load(model.fingerprint(), model)
    seen = parties.infer(model.fingerprint(), model.embeddings(ids, segments).numpy(), keep.numpy())
    np.testing.assert_allclose(seen.logits, model(ids, segments, keep).logits[:, -1:].numpy(), atol=0.06)
    checked(seen, Setup("", model.architecture, settings, 2, 8).predict())
