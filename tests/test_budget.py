"""The budget: every step of training is counted, and every method spends on its model exactly what it may."""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.aero import encoder
from baselines.dense import Dense
from baselines.privit import Switches
from ig3d import search
from ig3d.method import IG3D
from pibench.disk import Cache
from pibench.errors import InputError
from pibench.measure import stages
from pibench.measure.accuracy import blank_accuracy, measure_accuracy
from pibench.methods.contract import Skip, Variant, accepted
from pibench.methods.registry import METHODS
from pibench.methods.surgery.fuse import absorb_affine
from pibench.methods.surgery.layers import with_layer
from pibench.methods.surgery.pruning import prune_heads
from pibench.model.module import Model
from pibench.model.spent import Spent
from pibench.results.records import validate
from pibench.tasks.batches import Batch
from pibench.tasks.data import Split, TaskData
from pibench.tasks.encode import EncodedTask
from pibench.training import finetune
from pibench.training.budget import Budget
from pibench.training.distill import recover, recover_in_stages
from pibench.training.finetune import label_loss, train
from pibench.training.spending import counted
from pibench.training.stages import cached_model
from tests.conftest import MakeData, MakeModel, MakeSplit
from tests.test_identity import CELL, checkpoint, workbench

BUDGET = Budget(epochs=3, examples=20, batch_size=8, learning_rate=1e-3)
ALLOWED = 60
STEPS = 9
"""Three epochs of 8, 8 and 4 examples."""
UNTRAINED = {"exact", "no training"}
VARIANTS = [
    pytest.param(method, variant, id=f"{name}-{variant.name}")
    for name, method in METHODS.items()
    for variant in method.info.variants
]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of every batch that was really trained on."""
    sizes: list[int] = []
    step = finetune.training_step

    def watched(model: Any, batch: Batch, *rest: Any) -> None:
        sizes.append(len(batch.labels))
        step(model, batch, *rest)

    monkeypatch.setattr(finetune, "training_step", watched)
    return sizes


class Locked(Split):
    """A split that nobody may read."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("input_ids", "token_type_ids", "labels"):
            raise AssertionError("a split was read that must not be")
        return super().__getattribute__(name)


@pytest.fixture
def locked(make_data: MakeData, make_split: MakeSplit, monkeypatch: pytest.MonkeyPatch) -> Iterator[TaskData]:
    """Data whose selection split may only be scored, in a process in which there is a validation split too."""
    for module in (search, encoder):
        monkeypatch.setattr(module, "selection_score", lambda model, data: 50.0)
    split = make_split(12, seed=5)
    selection, validation = (Locked(split.input_ids, split.token_type_ids, split.labels) for _ in range(2))
    task = EncodedTask(replace(make_data(), selection=selection), validation)
    yield task.data
    assert task.validation is validation


@pytest.mark.parametrize(("method", "variant"), VARIANTS)
def test_every_method_spends_exactly_what_it_may_and_fits_on_train_alone(
    make_model: MakeModel, locked: TaskData, trained: list[int], method: Any, variant: Variant
) -> None:
    with counted() as count:
        made = method.compress(make_model(layers=3), locked, BUDGET, variant)
    assert count.total == Spent(len(trained), sum(trained))
    if isinstance(made, Skip):
        assert not trained
        return
    assert made.spent.examples == (0 if variant.name in UNTRAINED else ALLOWED)
    assert made.spent.examples <= count.total.examples
    assert accepted(made, locked, BUDGET) is made
    if count.total == made.spent and variant.name not in UNTRAINED:
        assert made.spent.steps >= -(-ALLOWED // BUDGET.batch_size)


def test_a_search_counts_also_what_it_does_not_return(
    make_model: MakeModel, make_data: MakeData, trained: list[int], tmp_path: Path
) -> None:
    data = replace(make_data(), cache=Cache(tmp_path))
    found = []
    for _ in range(2):
        with counted() as count:
            model = IG3D().compress(make_model(), data, BUDGET, Variant("tight", {"tolerance": -100.0}))
        found.append((model.spent, count.total))
    assert found[0] == found[1], "what is found in the cache counts as spent too"
    assert found[0][0].examples == ALLOWED
    assert found[0][1] == Spent(len(trained), sum(trained))
    stages, stage = len(search.STAGES), ALLOWED // search.STAGE_PART
    assert found[0][1].examples == stages * stage + sum(ALLOWED - (index + 1) * stage for index in range(stages))


class Twice:
    info = Dense.info

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        return recover(copy.deepcopy(dense), dense, data, replace(budget, epochs=2 * budget.epochs))


class ByHand:
    info = Dense.info

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        return train(recover(copy.deepcopy(dense), dense, data, budget), data, budget, label_loss, "more", examples=1)


class FitsOnSelection:
    info = Dense.info

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        return recover(copy.deepcopy(dense), dense, replace(data, train=data.selection), budget)


class FindsValidation:
    info = Dense.info

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model:
        (validation,) = (one.validation for one in gc.get_objects() if type(one) is EncodedTask and one.data is data)
        return recover(copy.deepcopy(dense), dense, replace(data, train=validation), budget)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (Twice(), "assert 120 == "),
        (ByHand(), "assert 61 == "),
        (FitsOnSelection(), "a split was read"),
        (FindsValidation(), "a split was read"),
    ],
)
def test_a_method_that_breaks_the_rule_is_noticed(
    make_model: MakeModel, locked: TaskData, trained: list[int], method: Any, words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        test_every_method_spends_exactly_what_it_may_and_fits_on_train_alone(
            make_model, locked, trained, method, Variant("any")
        )


def test_a_cell_that_spends_too_much_fails_with_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bench = workbench(checkpoint(tmp_path), tmp_path / "out")
    monkeypatch.setattr(stages, "METHODS", {"dense": Twice()})
    allowed = bench.plan.budget.allowance(len(bench.task("sst2", 0).data.train))
    with pytest.raises(InputError, match=f"trained on {2 * allowed} examples, but the budget allows {allowed}$"):
        stages.compressed(bench, CELL)


def test_what_a_cell_spent_is_kept_with_its_model_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bench = workbench(checkpoint(tmp_path), tmp_path / "out")
    bench.plan = replace(bench.plan, mpc_examples=0)
    cells = {variant.name: replace(CELL, variant=variant) for variant in Dense.info.variants}
    nothing = {"steps": 0, "examples": 0}
    assert stages.spent(bench, cells["exact"]) == {"returned": nothing, "total": nothing}
    for name in ("trained on", "trained on labels"):
        spent = stages.spent(bench, cells[name])
        allowed = bench.plan.budget.allowance(len(bench.task("sst2", 0).data.train))
        assert spent["returned"] == spent["total"] and spent["total"]["examples"] == allowed
        model = stages.compressed(bench, cells[name])
        assert isinstance(model, Model) and model.spent == Spent(**spent["returned"])
    record = blank_accuracy(bench, cells["trained on"]) | measure_accuracy(bench, cells["trained on"])
    assert validate(record) == []
    assert record["spent"]["returned"]["examples"] == allowed
    assert record["tuning"]["spent"]["total"]["examples"] == allowed


def test_the_dense_model_is_trained_on_from_itself_or_by_labels(make_model: MakeModel, make_data: MakeData) -> None:
    dense, data = make_model(), make_data()
    exact, distilled, by_labels = (Dense().compress(dense, data, BUDGET, own) for own in Dense.info.variants)
    assert exact is dense
    assert distilled.fingerprint() == recover(copy.deepcopy(dense), dense, data, BUDGET).fingerprint()
    labels = replace(BUDGET, recovery="finetune")
    assert by_labels.fingerprint() == recover(copy.deepcopy(dense), make_model(1), data, labels).fingerprint()
    assert len({model.fingerprint() for model in (exact, distilled, by_labels)}) == 3


@pytest.mark.parametrize(
    ("examples", "sizes"),
    [(None, [8, 8, 4] * 3), (0, []), (3, [3]), (27, [8, 8, 4, 7]), (40, [8, 8, 4] * 2)],
)
def test_training_spends_what_it_is_told_and_counts_it(
    make_model: MakeModel, make_data: MakeData, trained: list[int], examples: int | None, sizes: list[int]
) -> None:
    model, epochs = make_model(), []
    with counted() as count:
        train(
            model,
            make_data(40),
            BUDGET,
            label_loss,
            "test",
            each_epoch=lambda m: epochs.append(m.spent.examples),
            examples=examples,
        )
    assert sorted(trained) == sorted(sizes)
    assert model.spent == count.total == Spent(len(sizes), sum(sizes))
    assert epochs == [min(end, sum(sizes)) for end in range(20, sum(sizes) + 20, 20)]


def test_the_count_goes_where_the_weights_go(make_model: MakeModel, make_data: MakeData) -> None:
    data, teacher = make_data(), make_model(norm="affine")
    model = recover(make_model(norm="affine"), teacher, data, BUDGET, examples=11)
    assert model.spent == Spent(2, 11)
    heads = torch.tensor([[1, 0, 1, 1], [1, 1, 1, 0]]).bool()
    others = [copy.deepcopy(model), with_layer(model, 0, {}), prune_heads(model, heads), absorb_affine(model)]
    assert {other.spent for other in others} == {model.spent}
    recover(others[0], teacher, data, BUDGET)
    assert (others[0].spent.examples, model.spent.examples) == (ALLOWED, 11)
    recover(others[0], teacher, data, BUDGET)
    assert others[0].spent.examples == ALLOWED, "nothing was left to spend"
    assert teacher.spent == Spent()


def test_two_stages_and_a_regulariser_spend_the_same(make_model: MakeModel, make_data: MakeData) -> None:
    student = recover_in_stages(make_model(1), make_model(), make_data(), BUDGET)
    assert student.spent.examples == ALLOWED
    student = recover(make_model(1), make_model(), make_data(), BUDGET, Switches(2, 1, STEPS))
    assert student.spent == Spent(STEPS, ALLOWED)


def test_a_later_stage_draws_other_examples(make_model: MakeModel, make_data: MakeData) -> None:
    drawn: list[tuple[int, ...]] = []

    def loss(model: Model, batch: Batch, ops: Any) -> torch.Tensor:
        drawn.append(tuple(sorted(np.asarray(batch.indices).tolist())))
        return label_loss(model, batch, ops)

    model = make_model()
    for _ in range(2):
        train(model, make_data(40), replace(BUDGET, epochs=1, examples=8), loss, "test")
    assert drawn[0] != drawn[1]


def test_a_count_inside_another_is_its_own(make_model: MakeModel, make_data: MakeData, tmp_path: Path) -> None:
    dense, data = make_model(), make_data()

    def make() -> Model:
        return recover(copy.deepcopy(dense), dense, data, BUDGET, examples=16)

    with counted() as outer:
        with counted() as inner:
            make()
        assert (inner.total, outer.total) == (Spent(2, 16), Spent())
        for _ in range(2):
            model = cached_model(Cache(tmp_path), "one", "key", dense, make)
            assert model.spent == Spent(2, 16)
    assert outer.total == Spent(4, 32)
