"""A method's description and what it returns, refused in one sentence before anything depends on them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from baselines.dense import Dense
from pibench.errors import InputError
from pibench.methods.contract import MethodInfo, Skip, Variant, accepted
from pibench.model.module import Model
from pibench.model.spent import Spent
from pibench.training.budget import Budget
from tests.conftest import MakeData, MakeModel

BUDGET = Budget(epochs=2, examples=100)
TEXTS = {"name": "mine", "version": "1", "summary": "s", "paper": "p", "bibtex": "@misc{mine}"}


def info(**changes: Any) -> MethodInfo:
    return MethodInfo(**{**TEXTS, "variants": (Variant("one"),), **changes})


@pytest.mark.parametrize(
    "name",
    ["", " ", "a|b", "a\nb", "{set}", "=1+1", "-1", "a/b", "a\\b", "a`b", "<b>", "*", " a", "a ", "x" * 61, 3, "é"],
)
def test_a_bad_name_of_a_variant_is_refused(name: Any) -> None:
    with pytest.raises(InputError, match="has a bad name: use at most 60 letters") as caught:
        Variant(name)
    assert repr(name) in str(caught.value)


def test_options_that_no_cache_can_name_are_refused() -> None:
    with pytest.raises(InputError, match=r"the options of the variant 'one' are not JSON: .*Tensor"):
        Variant("one", {"weights": torch.ones(1)})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": ""}, "the method 'mine' has the version ''"),
        ({"version": 2}, "has the version 2"),
        ({"paper": " "}, "has the paper ' '"),
        ({"summary": "two\nlines"}, r"has the summary 'two\\nlines'"),
        ({"bibtex": None}, "has the bibtex None"),
        ({"variants": ()}, r"at least one Variant"),
        ({"variants": ("one",)}, r"at least one Variant"),
        ({"variants": (Variant("one"), Variant("One"))}, "two variants 'one'"),
        ({"ablations": (Variant("one"),)}, "two variants 'one'"),
        ({"reported": {"speed": "2x"}}, "reports 'speed': use accuracy"),
    ],
)
def test_a_description_with_a_gap_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        info(**changes)
    assert "\n" not in str(caught.value)


def broken(dense: Model, change: str) -> object:
    model = dense.rebuilt(dense.architecture.with_layers(softmax="power2"))
    with torch.no_grad():
        for coefficients in model.unset().values():
            coefficients.fill_(1)
        if change == "diverged":
            model.head["classifier_bias"].fill_(torch.nan)
        if change == "forgotten":
            model.layer_weights[1]["softmax_coefficients"].fill_(torch.nan)
    if change == "notes":
        model.notes = {"scores": torch.ones(1)}
    return {"half": model.half, "meta": lambda: model.to("meta")}.get(change, lambda: model)()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("diverged", r"^head\.classifier_bias is not finite"),
        ("forgotten", r"^the coefficient 'layers\.1\.softmax_coefficients' was never set"),
        ("half", r"is torch\.float16 on cpu: return a model in float32 on the CPU"),
        ("meta", r"is torch\.float32 on meta"),
        ("notes", r"^the notes of the method's model are not JSON"),
    ],
)
def test_a_model_that_cannot_be_scored_or_recorded_is_refused(
    make_model: MakeModel, make_data: MakeData, change: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        accepted(broken(make_model(), change), make_data(), BUDGET)


@pytest.mark.parametrize(
    ("made", "words"), [(None, "returned NoneType"), (Skip(" "), "Skip without a reason"), (Dense(), "returned Dense")]
)
def test_what_is_no_model_is_refused(make_data: MakeData, made: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        accepted(made, make_data(), BUDGET)


def test_a_model_of_another_task_is_refused_and_a_good_one_passes(make_model: MakeModel, make_data: MakeData) -> None:
    with pytest.raises(InputError, match="has 2 outputs, but the task has 3"):
        accepted(make_model(), make_data(outputs=3), BUDGET)
    model = broken(make_model(), "nothing")
    assert accepted(model, make_data(), BUDGET) is model


def test_a_model_that_was_trained_on_more_than_the_budget_allows_is_refused(
    make_model: MakeModel, make_data: MakeData
) -> None:
    model = make_model()
    model.spent = Spent(steps=4, examples=32)
    assert accepted(model, make_data(16), BUDGET) is model
    model.spent = Spent(steps=4, examples=33)
    with pytest.raises(InputError, match=r"^the method's model was trained on 33 examples, but the budget allows 32$"):
        accepted(model, make_data(16), BUDGET)
