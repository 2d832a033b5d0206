"""Fewer layers and narrower ones: shapes, costs, what teaches a layer, and which units are kept."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from baselines.depth import DEPTHS, Depth, picked, uniform
from baselines.width import Width, most_important, only, taylor_scores
from pibench.checks.method import Bench, keeps_contract
from pibench.engines.lean.fixed_point import predict_fixed
from pibench.engines.lean.ledger import predict as cost
from pibench.engines.lean.switches import LEAN
from pibench.errors import InputError
from pibench.methods.contract import Skip
from pibench.methods.importance import goal, sample
from pibench.methods.surgery.pruning import Units, prune_width
from pibench.model.architecture import Architecture
from pibench.model.floats import TorchInterpreter
from pibench.model.forward import forward
from pibench.model.module import DecoderEmbeddings, Embeddings, Model
from pibench.tasks.batches import pad
from pibench.training import distill
from pibench.training.budget import Budget
from pibench.training.distill import Compared, recover
from pibench.training.finetune import predict
from tests.conftest import MakeData, MakeModel

BUDGET = Budget(epochs=1, examples=16, batch_size=8, learning_rate=1e-3)
DEEP, NARROW = (
    {v.options["layers"]: v for v in Depth.info.variants},
    {v.options["part"]: v for v in Width.info.variants},
)


def bytes_of(architecture: Architecture) -> int:
    return cost(architecture, 1, 8).total().bytes


@pytest.mark.parametrize(
    ("count", "total", "teachers"),
    [
        (2, 12, [5, 11]),
        (3, 12, [3, 7, 11]),
        (4, 6, [1, 2, 3, 5]),
        (8, 12, [1, 2, 3, 5, 7, 8, 9, 11]),
        (3, 6, [1, 3, 5]),
    ],
)
def test_teachers_are_at_equal_distances_and_the_last_is_the_last(count: int, total: int, teachers: list[int]) -> None:
    assert uniform(count, total) == teachers


def test_every_map_goes_forward() -> None:
    for total in range(3, 25):
        for count in range(1, total):
            teachers = uniform(count, total)
            assert teachers == sorted(set(teachers)) and teachers[0] >= 0 and teachers[-1] == total - 1


@pytest.mark.parametrize("count", [2, 3])
def test_the_first_layers_are_kept_and_each_layer_less_saves_the_same(
    make_model: MakeModel, make_data: MakeData, count: int
) -> None:
    dense = make_model(layers=4)
    untrained = Depth().compress(dense, make_data(), replace(BUDGET, epochs=0), DEEP[count])
    assert isinstance(untrained, Model)
    assert untrained.architecture == replace(dense.architecture, layers=dense.architecture.layers[:count])
    for own, theirs in zip(untrained.layers, dense.layers, strict=False):
        assert all(torch.equal(own[name], theirs[name]) for name in own)  # type: ignore[index]
    layer = bytes_of(dense.architecture) - bytes_of(make_model(layers=3).architecture)
    assert bytes_of(dense.architecture) - bytes_of(untrained.architecture) == (4 - count) * layer > 0


def test_a_backbone_without_more_layers_is_skipped(make_model: MakeModel, make_data: MakeData) -> None:
    for count, variant in DEEP.items():
        made = Depth().compress(make_model(layers=3), make_data(), BUDGET, variant)
        assert isinstance(made, Skip) == (count >= 3), count
        assert not isinstance(made, Skip) or made.reason.startswith("the backbone has 3 layers")
    assert tuple(DEEP) == DEPTHS


class Pretends(torch.nn.Module):
    """Stands for a student whose layers put out what ``shown`` makes of the teacher's."""

    def __init__(self, teacher: Model, shown: Compared) -> None:
        super().__init__()
        self.teacher, self.shown = teacher, shown

    def forward(self, *inputs: Any) -> Any:
        output = self.teacher(*inputs[:3])
        return replace(output, hidden=self.shown(output.hidden))


@pytest.fixture
def losses(make_data: MakeData, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """Return a function: what a method's recovery has as loss for students that show parts of the teacher's layers."""

    def of(method: Any, teacher: Model, variant: Any, *shown: Compared) -> list[float]:
        asked: list[Any] = []
        monkeypatch.setattr(distill, "train", lambda student, *rest, **named: asked.append(rest[2]) or student)
        method.compress(teacher, make_data(), BUDGET, variant)
        (loss,) = asked
        batch = pad(make_data().train, range(8), 0)
        with torch.no_grad():
            return [float(loss(Pretends(teacher, own), batch, None)) for own in shown]

    return of


def test_each_layer_is_compared_with_its_teacher(make_model: MakeModel, losses: Callable[..., list[float]]) -> None:
    """With two layers of four, the teachers are layers 1 and 3."""
    maps = [partial(picked, layers=layers) for layers in ((1, 3), (0, 1), (0, 3), (2, 3))]
    found = losses(Depth(), make_model(layers=4), DEEP[2], *maps)
    assert found[0] == min(found) < sorted(found)[1]


def test_the_kept_units_are_compared(
    make_model: MakeModel, make_data: MakeData, losses: Callable[..., list[float]]
) -> None:
    teacher = make_model()
    kept = most_important(taylor_scores(teacher, make_data(), BUDGET.seed), 2).hidden
    units = [kept, kept.flip(0), torch.arange(8), torch.arange(8, 16)]
    assert kept.tolist() not in [own.tolist() for own in units[2:]]
    found = losses(Width(), teacher, NARROW[2], *(partial(only, kept=own) for own in units))
    assert found[0] == min(found) < sorted(found)[1]


def test_what_is_compared_must_have_the_student_s_shape(make_model: MakeModel, make_data: MakeData) -> None:
    student, teacher = make_model(layers=2), make_model(layers=3)
    for layers, words in (((0, 1, 2), "layers differs, 2 in the student and 3"), ((2,), "layers differs, 2 .* and 1")):
        with pytest.raises(InputError, match=words):
            recover(student, teacher, make_data(), BUDGET, compared=lambda hidden, own=layers: picked(hidden, own))
    with pytest.raises(InputError, match="hidden units differs, 16 in the student and 8"):
        recover(student, make_model(), make_data(), BUDGET, compared=lambda hidden: only(hidden, torch.arange(8)))


@pytest.mark.parametrize("part", [2, 4])
def test_every_kind_of_unit_is_cut_by_the_same_share_and_heads_stay(
    make_model: MakeModel, make_data: MakeData, part: int
) -> None:
    dense = make_model()
    model = Width().compress(dense, make_data(), BUDGET, NARROW[part])
    layer = dense.architecture.layers[0]
    assert model.architecture.hidden_size == dense.architecture.hidden_size // part
    assert set(model.architecture.layers) == {replace(layer, ffn_size=32 // part)}
    assert model.embeddings.word.weight.shape == (50, 16 // part)
    saved = {operator: own.bytes for operator, own in cost(dense.architecture, 1, 8).costs.items()}
    for operator, own in cost(model.architecture, 1, 8).costs.items():
        if "activation" in operator:
            assert own.bytes == saved[operator] // part
        elif "softmax" in operator:
            assert own.bytes == saved[operator]
    half, whole = bytes_of(model.architecture), bytes_of(dense.architecture)
    assert half < whole


def all_of(model: Model) -> Units:
    hidden = torch.arange(model.architecture.hidden_size)
    return Units(hidden, tuple(torch.arange(layer.ffn_size or 0) for layer in model.architecture.layers), hidden)


def test_keeping_every_unit_changes_nothing(make_model: MakeModel) -> None:
    model = make_model()
    assert prune_width(model, all_of(model)).fingerprint() == model.fingerprint()


@pytest.mark.parametrize("size", [None, 8])
def test_projected_embeddings_keep_the_same_units(make_model: MakeModel, size: int | None) -> None:
    """Half of 16 hidden units is 8, the size of the vectors that are projected to them."""
    torch.manual_seed(0)
    model = Model(make_model().architecture, Embeddings(50, 40, 0, 16, 1e-12, size))
    hidden = torch.arange(0, 16, 2)
    pruned = prune_width(model, Units(hidden, all_of(model).neurons, hidden))
    ids = torch.arange(6)[None]
    whole, own = (one.embeddings(ids, torch.zeros_like(ids)) for one in (model, pruned))
    if size is None:  # LayerNorm's statistics change with the units
        assert own.shape == (1, 6, 8)
    else:
        torch.testing.assert_close(own, whole[..., hidden], rtol=0, atol=1e-6)


def test_pruned_is_masked_where_no_statistics_are_taken(make_model: MakeModel, make_data: MakeData) -> None:
    """LayerNorm's mean and variance change with the units; affine norms have none, so that equality is exact."""
    model = make_model(norm="affine")
    hidden = torch.tensor([0, 2, 3, 7, 9, 10, 12, 15])
    neurons = (torch.arange(0, 32, 3), torch.arange(5, 16))
    kept = Units(hidden, neurons, torch.tensor([1, 2, 4, 5, 6, 8, 11, 13]))
    pruned, masked = prune_width(model, kept), copy.deepcopy(model)
    off = torch.ones(16, dtype=torch.bool).index_fill(0, hidden, False)
    with torch.no_grad():
        for layer, own in zip(masked.layer_weights, neurons, strict=True):
            for name in (
                "output_weight",
                "output_bias",
                "ffn_out_weight",
                "ffn_out_bias",
                *(n for n in layer if "norm" in n),
            ):
                layer[name][off] = 0
            layer["ffn_out_weight"][:, torch.ones(32, dtype=torch.bool).index_fill(0, own, False)] = 0
        masked.head["classifier_weight"][:, torch.ones(16, dtype=torch.bool).index_fill(0, kept.pooled, False)] = 0
        batch = pad(make_data().train, range(8), 0)
        embedded, keep = model.embeddings(batch.input_ids, batch.token_type_ids), batch.keep.float()
        whole = embedded.masked_fill(off, 0)
        goal = forward(TorchInterpreter(), masked.architecture, masked.weights(), whole, keep)
        own_output = forward(TorchInterpreter(), pruned.architecture, pruned.weights(), embedded[..., hidden], keep)
    torch.testing.assert_close(own_output.logits, goal.logits, rtol=0, atol=1e-5)
    for mine, other in zip(own_output.hidden, goal.hidden, strict=True):
        torch.testing.assert_close(mine, other[..., hidden], rtol=0, atol=1e-5)


def test_scores_are_squared_slopes_by_a_gate_on_each_unit(make_model: MakeModel, make_data: MakeData) -> None:
    model, data, step = make_model().double(), make_data(12), 1e-5
    scores = taylor_scores(model, data, seed=0)
    (batch,) = sample(data.train, 0, seed=0)

    def slope(scale: Any) -> float:
        values = []
        for gate in (1 + step, 1 - step):
            changed = copy.deepcopy(model)
            with torch.no_grad():
                scale(changed, gate)
                values.append(
                    float(goal(changed(batch.input_ids, batch.token_type_ids, batch.keep).logits, batch.labels).sum())
                )
        return ((values[0] - values[1]) / (2 * step)) ** 2

    def hidden(unit: int) -> Any:
        def scale(changed: Model, gate: float) -> None:
            for name, value in changed.named_parameters():
                if "norm" in name:
                    value[unit] *= gate

        return scale

    for unit in (0, 7, 15):
        assert float(scores.hidden[unit]) == pytest.approx(slope(hidden(unit)), rel=1e-3)
        neuron = slope(lambda changed, gate, unit=unit: changed.layer_weights[1]["ffn_out_weight"][:, unit].mul_(gate))
        assert float(scores.neurons[1][unit]) == pytest.approx(neuron, rel=1e-3)
        pooled = slope(lambda changed, gate, unit=unit: changed.head["classifier_weight"][:, unit].mul_(gate))
        assert float(scores.pooled[unit]) == pytest.approx(pooled, rel=1e-3)


def test_the_highest_scores_are_kept_in_order() -> None:
    scores = Units(
        torch.tensor([1.0, 5.0, 2.0, 4.0]), (torch.tensor([3.0, 1.0, 2.0]),), torch.tensor([9.0, 1.0, 8.0, 7.0])
    )
    kept = most_important(scores, 2)
    assert [kept.hidden.tolist(), kept.neurons[0].tolist(), kept.pooled.tolist()] == [[1, 3], [0], [0, 2]]


@pytest.mark.parametrize(("method", "variant"), [(Depth(), DEEP[2]), (Width(), NARROW[2])])
def test_emulated_fixed_point_and_parties_compute_what_floats_do(
    make_model: MakeModel, make_data: MakeData, method: Any, variant: Any
) -> None:
    data = make_data()
    model = method.compress(make_model(layers=3), data, BUDGET, variant)
    emulated = predict_fixed(model, data.selection, 0, LEAN)
    assert not emulated.overflows
    np.testing.assert_allclose(emulated.logits, predict(model, data.selection, 0), atol=0.05)


@pytest.mark.mpc
@pytest.mark.parametrize(("method", "variant"), [(Depth(), DEEP[2]), (Width(), NARROW[4])])
def test_the_contract_is_kept(make_model: MakeModel, make_data: MakeData, method: Any, variant: Any) -> None:
    said: list[str] = []
    assert keeps_contract(Bench(method, variant, make_model(layers=3), make_data(40)), said.append), said
    assert len(said) == 6


def test_a_decoder_can_have_another_hidden_size_too() -> None:
    assert DecoderEmbeddings(7, 5, 8).resized(4).position.weight.shape == (5, 4)
