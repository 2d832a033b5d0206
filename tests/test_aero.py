from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.aero.decoder import LAYERS, decoder, head_entropies, learn_rung
from baselines.aero.entropy import AttentionEntropies, EntropyRegulariser
from baselines.aero.rungs import LADDER, parse_rung, without_deepest
from pibench.errors import InputError
from pibench.methods.surgery.fuse import absorb_affine, fuse_ffn
from pibench.model.architecture import Architecture, Layer
from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.tasks.text import Corpus, TextData, tokenise
from pibench.training.language import LanguageBudget
from tests.conftest import MakeModel

IDS = torch.tensor([[1, 10, 25, 31, 2], [1, 44, 2, 0, 0]])
KEEP = (IDS > 0).long()
SEGMENTS = torch.zeros_like(IDS)
GPT2 = Architecture(768, (Layer(heads=12, head_size=64, ffn_size=3072),) * 12, 50257, family="decoder")


@torch.no_grad()
def logits(model: Model) -> torch.Tensor:
    return model(IDS, SEGMENTS, KEEP).logits


def test_the_names_are_the_paper_s() -> None:
    plain = parse_rung("SM+LN+G").of(GPT2, 128)
    assert plain == GPT2
    whole = parse_rung("EReg(SM(t)+ScFuFFN_i6)")
    assert whole.entropy == "mean"
    assert parse_rung("ERegSum(SM(t)+ScFuFFN)").entropy == "summed"
    *first, last = whole.of(GPT2, 128).layers
    assert first[5] == Layer(12, 64, 0, activation="identity", norm="none", scaled=True, temperatures=128)
    assert last == Layer(12, 64, None, activation="identity", norm="none", temperatures=128)
    assert [layer.ffn_size for layer in whole.of(GPT2, 128).layers] == [0] * 6 + [None] * 6


@pytest.mark.parametrize("name", LADDER)
def test_every_rung_of_the_ladder_is_one_of_its_own(name: str) -> None:
    rung = parse_rung(name)
    assert rung.name == name
    others = [parse_rung(other) for other in LADDER if other != name]
    assert all(vars(rung) | {"name": ""} != vars(other) | {"name": ""} for other in others)


@pytest.mark.parametrize("name", ["", "LN", "SM+LN+X", "SM+G_i2", "EReg(SM", "SM+ScFFN_i1", "sm+ln+g"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="unknown configuration"):
        parse_rung(name)


def test_more_deleted_ffns_than_layers_are_refused() -> None:
    with pytest.raises(InputError, match="13 FFNs"):
        parse_rung("SM+ScFuFFN_i13").of(GPT2, 128)


def ffn_flops(architecture: Architecture, tokens: int) -> int:
    """Return the floating-point operations of all FFNs: 2 T times the elements of their matrices (AERO, Table 2)."""
    hidden = architecture.hidden_size
    sizes = (0 if layer.ffn_size is None else 2 * layer.ffn_size or hidden for layer in architecture.layers)
    return sum(2 * tokens * hidden * size for size in sizes)


@pytest.mark.parametrize(
    ("name", "layers", "tokens", "flops"),
    [
        ("SM+LN+G", 12, 128, 14.5e9),
        ("SM+ScFFN", 12, 128, 14.5e9),
        ("SM+ScFuFFN", 12, 128, 1.81e9),
        ("SM+ScFuFFN_i6", 12, 128, 0.906e9),
        ("SM+LN+G", 12, 256, 29.0e9),
        ("SM+LN+G", 18, 128, 21.7e9),
        ("SM+ScFuFFN", 18, 128, 2.72e9),
        ("SM+ScFuFFN_i4", 18, 128, 2.11e9),
        ("SM+ScFuFFN_i1", 12, 512, 6.64e9),
    ],
)
def test_ffn_flops_are_the_paper_s(name: str, layers: int, tokens: int, flops: float) -> None:
    plain = Architecture(768, GPT2.layers[:1] * layers, 50257, family="decoder")
    assert ffn_flops(parse_rung(name).of(plain, tokens), tokens) == pytest.approx(flops, rel=2e-3)


def test_ffn_flops_are_exact() -> None:
    assert ffn_flops(GPT2, 128) == 2 * 128 * 12 * 8 * 768**2
    assert ffn_flops(parse_rung("SM+ScFuFFN").of(GPT2, 128), 128) == 2 * 128 * 12 * 768**2


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), scaled=st.booleans(), norm=st.sampled_from(["layer_norm", "affine", "none"]))
def test_a_fused_ffn_computes_the_same(make_model: MakeModel, seed: int, scaled: bool, norm: str) -> None:
    model = make_model(seed, activation="identity", scaled=scaled, norm=norm)
    fused = fuse_ffn(model)
    assert {layer.ffn_size for layer in fused.architecture.layers} == {0}
    before = logits(model)
    torch.testing.assert_close(logits(fused), before, atol=1e-5 * float(before.abs().max()), rtol=1e-5)


def test_an_ffn_with_a_nonlinearity_is_not_fused(make_model: MakeModel) -> None:
    model = make_model(activation="relu")
    assert fuse_ffn(model).architecture == model.architecture


def test_a_deleted_ffn_is_skipped(make_model: MakeModel) -> None:
    model = make_model(layers=3, norm="none")
    cut = model.rebuilt(without_deepest(model.architecture, 1))
    assert [layer.ffn_size for layer in cut.architecture.layers] == [32, 32, None]
    with torch.no_grad():
        for kind in ("weight", "bias"):
            model.layer_weights[2][f"ffn_out_{kind}"].zero_()
    torch.testing.assert_close(logits(cut), logits(model))


@pytest.mark.parametrize("ffn_size", [32, 0, None])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_affine_norms_are_absorbed(make_model: MakeModel, ffn_size: int, seed: int) -> None:
    model = make_model(seed, layers=3, norm="affine", activation="identity", ffn_size=ffn_size).double()
    with torch.no_grad():
        for layer in model.layer_weights:
            for name in ("attention", "ffn"):
                layer[f"{name}_norm_weight"].uniform_(0.3, 2)
    absorbed = absorb_affine(model)
    assert {layer.norm for layer in absorbed.architecture.layers} == {"none"}
    assert not any("norm" in name for layer in absorbed.layer_weights for name in layer)
    before = logits(model)
    torch.testing.assert_close(logits(absorbed), before, atol=1e-5, rtol=1e-5)


def test_other_norms_are_not_absorbed(make_model: MakeModel) -> None:
    with pytest.raises(ValueError, match="affine"):
        absorb_affine(make_model())


def penalty(entropies: torch.Tensor, length: int, form: str = "mean", margin: float = 0.2) -> torch.Tensor:
    """Return the penalty of one layer of two heads with thresholds of a half, at strength 1."""
    layer = Layer(heads=2, head_size=4, ffn_size=8)
    regulariser = EntropyRegulariser(Architecture(8, (layer,), 2), strength=1.0, margin=margin, form=form)
    ops = AttentionEntropies()
    ops.entropies, ops.length = [entropies], length
    return regulariser(ops).detach()


def test_entropy_loss_is_that_of_a_hand() -> None:
    largest = math.log(8)
    # Two queries: the first head's entropies are 0 and log 8 (mean a half: no penalty), the second's log 8 both.
    entropies = torch.tensor([[[0.0, largest], [largest, largest]]])
    assert float(penalty(entropies, 8)) == pytest.approx((0.5 * largest) ** 2 / 2)
    # Summed: three of four rows are half of log 8 off, in one direction or the other, and so is the fourth.
    assert float(penalty(entropies, 8, "summed")) == pytest.approx(4 * (0.5 * largest) ** 2 / 2)


@given(share=st.floats(0, 1), margin=st.floats(0.01, 0.4))
def test_entropy_loss_is_zero_inside_the_margin_alone(share: float, margin: float) -> None:
    value = float(penalty(torch.full((1, 2, 3), share * math.log(16)), 16, margin=margin))
    if abs(share - 0.5) < margin - 1e-5:
        assert value == 0
    if abs(share - 0.5) > margin + 1e-5:
        assert value == pytest.approx((share - 0.5) ** 2 * math.log(16) ** 2, rel=1e-3)


def test_entropies_are_those_of_the_attention(make_model: MakeModel) -> None:
    model = make_model()
    seen: list[torch.Tensor] = []

    class Attention(TorchInterpreter):
        def softmax(self, scores: torch.Tensor, keep: torch.Tensor) -> tuple[torch.Tensor, None]:
            seen.append(super().softmax(scores, keep)[0])
            return seen[-1], None

    ops = AttentionEntropies()
    with torch.no_grad():
        model(IDS, SEGMENTS, KEEP, Attention())
        model(IDS, SEGMENTS, KEEP, ops)
    for attention, entropies in zip(seen, ops.entropies, strict=True):
        goal = torch.distributions.Categorical(probs=attention).entropy()
        torch.testing.assert_close(entropies, goal, atol=1e-4, rtol=1e-4)
    assert ops.length == IDS.shape[1]


def test_a_gradient_reaches_every_threshold_and_temperature() -> None:
    model = decoder(parse_rung("EReg(SM(t)+ScFuFFN)"), 40, 8, seed=0)
    regulariser = EntropyRegulariser(model.architecture, 1.0, threshold=0.1)
    ids = torch.randint(40, (2, 8))
    ops = regulariser.interpreter(0.0)
    model(ids, torch.zeros_like(ids), torch.ones_like(ids), ops)
    regulariser(ops).backward()
    for threshold in regulariser.thresholds:
        assert (threshold.grad != 0).all()
    for layer in model.layer_weights:
        gradient = layer["temperature_coefficients"].grad
        assert gradient is not None
        assert (gradient[:, 1:] != 0).any(-1).all()


WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "dogs", "lay", "by", "doors", "while", "rain", "fell", ".")


@pytest.fixture(scope="module")
def text() -> TextData:
    generator = torch.Generator().manual_seed(0)
    lines = [" ".join(WORDS[i] for i in torch.randint(len(WORDS), (12,), generator=generator)) for _ in range(200)]
    return tokenise(Corpus("cats", "sample", "\n".join(lines[:180]), "\n".join(lines[180:])), 300)


TINY = LanguageBudget(steps=12, batch_size=4, seq_len=16)


def test_a_rung_learns_and_says_what_came_of_it(text: TextData) -> None:
    row = learn_rung("EReg(SM(t)+ScFuFFN)", text, TINY)
    assert row["perplexity"] == pytest.approx(math.exp(row["loss"]))
    assert 1 < row["perplexity"] < text.vocabulary
    assert row["bits_per_byte"] == pytest.approx(row["loss"] / math.log(2) / text.bytes_per_token)
    assert [len(heads) for heads in row["entropies"]] == [4] * LAYERS
    assert all(0 <= entropy <= 1 for heads in row["entropies"] for entropy in heads)
    assert row == learn_rung("EReg(SM(t)+ScFuFFN)", text, TINY)


def test_a_divergence_is_a_result(text: TextData) -> None:
    row = learn_rung("SM+R", text, LanguageBudget(steps=12, batch_size=4, seq_len=16, learning_rate=1e9))
    assert row["diverged_at"] is not None
    assert row["loss"] is row["perplexity"] is row["entropies"] is None


def test_causal_heads_cannot_reach_the_largest_entropy(text: TextData) -> None:
    model = decoder(parse_rung("SM"), text.vocabulary, 16, seed=0)
    own = math.fsum(math.log(i + 1) for i in range(16)) / 16 / math.log(16)
    for heads in head_entropies(model, text, TINY):
        assert heads == pytest.approx([own] * 4, abs=1e-3)
