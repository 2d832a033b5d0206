from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest
import torch

from pibench import plugins as registries
from pibench.engines.lean.ledger import predict
from pibench.engines.lean.rescale import rescaled
from pibench.errors import InputError
from pibench.methods.surgery.layers import observe
from pibench.methods.surgery.softmax import with_softmax
from pibench.model.module import Model
from pibench.model.operators.activation import ACTIVATION
from pibench.model.operators.norm import NORM
from pibench.model.operators.operator import Operator
from pibench.model.operators.power import POWERS
from pibench.model.operators.softmax import SOFTMAX
from pibench.testing.two_parties import IDS
from tests.conftest import MakeModel, MakeSplit

HERE = "tests.test_operator_plugins"
HALF = Operator(lambda ops, x, coefficients: ops.scale(x, 0.5), "made up")
LINE = Operator(lambda ops, x, c: ops.shift(ops.scale(x, c[1]), c[0]), "made up", coefficients=lambda layer: (2,))
NO_OPERATOR = len
MADE = {
    "nothing": lambda ops, x, *rest: None,
    "narrow": lambda ops, x, *rest: x[..., :1],
    "number": lambda ops, x, *rest: 1.0,
    "single": lambda ops, x, *rest: x,
    "wrong_divisor": lambda ops, x, *rest: (x, ops.sum(x)),
    "triple": lambda ops, x, *rest: (x, None, None),
    "summed": lambda ops, x, *rest: (ops.sum(x), None),
}
NOTHING, NARROW, NUMBER, SINGLE, WRONG_DIVISOR, TRIPLE, SUMMED = (Operator(run, "made up") for run in MADE.values())
EXPONENTIAL = Operator(lambda ops, x, coefficients: torch.exp(x), "made up")
FITTED = POWERS["power2"]


def plug(monkeypatch: pytest.MonkeyPatch, kind: str, **plugins: str) -> None:
    """Install entry points for the length of a test, ``name="module:OBJECT"``, or several by spaces."""
    points = [
        EntryPoint(name, value, f"pibench.{kind}") for name, all_of in plugins.items() for value in all_of.split()
    ]
    monkeypatch.setattr(registries, "registered", lambda group: [point for point in points if point.group == group])
    for operators in (SOFTMAX, ACTIVATION):
        monkeypatch.setattr(operators, "_loaded", {})


def test_a_plugin_s_operator_is_one_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, "activation", half=f"{HERE}:HALF")
    assert ACTIVATION["half"] is HALF
    assert "half" in ACTIVATION and "half" not in SOFTMAX
    assert list(ACTIVATION)[-1] == "half" and len(ACTIVATION) == len(list(ACTIVATION))


def test_listing_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, "activation", broken="no_such_module:OPERATOR")
    assert "broken" in list(ACTIVATION)
    with pytest.raises(InputError, match="failed to import: ModuleNotFoundError"):
        ACTIVATION["broken"]


@pytest.mark.parametrize(
    ("plugins", "name", "words"),
    [
        ({"half": f"{HERE}:NO_OPERATOR"}, "half", "is not of type Operator"),
        ({"relu": f"{HERE}:HALF"}, "half", "has a name that the suite itself uses"),
        ({"half": f"{HERE}:HALF {HERE}:NO_OPERATOR"}, "half", "uninstall one"),
        ({"half": f"{HERE}:HALF"}, "halff", "did you mean 'half'"),
    ],
)
def test_a_bad_plugin_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, plugins: dict[str, str], name: str, words: str
) -> None:
    plug(monkeypatch, "activation", **plugins)
    with pytest.raises(InputError, match=words):
        ACTIVATION[name]


def test_a_collision_leaves_the_suite_s_own_operators_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, "activation", relu=f"{HERE}:HALF")
    assert ACTIVATION["relu"] is not HALF


def test_a_plugin_s_softmax_is_fitted_and_rescaled_like_the_suite_s_own(
    monkeypatch: pytest.MonkeyPatch, make_model: MakeModel, make_split: MakeSplit
) -> None:
    plug(monkeypatch, "softmax", fitted=f"{HERE}:FITTED")
    dense, split = make_model(), make_split(20)
    made: dict[str, list[Model]] = {}
    for name in ("power2", "fitted"):
        model = with_softmax(dense, 0, name, observe(dense, split, 0))
        strayed = with_softmax(dense, 0, name, observe(dense, split, 0))
        with torch.no_grad():
            strayed.layer_weights[0]["softmax_coefficients"].mul_(30)
        made[name] = [model, rescaled(strayed, split, 0)]
        assert made[name][1] is not strayed
    for own, plugin in zip(made["power2"], made["fitted"], strict=True):
        torch.testing.assert_close(plugin.state_dict(), own.state_dict(), rtol=0, atol=0)


def test_a_softmax_without_a_fit_is_put_in_as_it_is(make_model: MakeModel, make_split: MakeSplit) -> None:
    dense = make_model()
    changed = with_softmax(dense, 1, "two_quad", observe(dense, make_split(20), 0))
    assert [layer.softmax for layer in changed.architecture.layers] == ["exact", "two_quad"]
    torch.testing.assert_close(changed.state_dict(), dense.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("activation", "nothing", r"the activation 'nothing' returned NoneType: return Tensor of shape"),
        ("activation", "narrow", r"returned Tensor of shape \(2, 7, 1\): return Tensor of shape \(2, 7, 32\)"),
        ("activation", "number", "returned float"),
        ("norm", "nothing", "the norm 'nothing' returned NoneType"),
        ("norm", "narrow", r"return Tensor of shape \(2, 7, 16\), like what goes in"),
        ("softmax", "single", "the softmax 'single' returned Tensor of shape .*: return a pair"),
        ("softmax", "wrong_divisor", r"returned \(Tensor, Tensor\): return a pair, the weights and a Denominator"),
        ("softmax", "triple", r"returned \(Tensor, NoneType, NoneType\)"),
        ("softmax", "summed", r"the softmax 'summed' returned Tensor of shape \(2, 4, 7, 1\)"),
    ],
)
def test_what_an_operator_returns_is_checked(
    monkeypatch: pytest.MonkeyPatch, make_model: MakeModel, kind: str, name: str, words: str
) -> None:
    plug(monkeypatch, kind, **{name: f"{HERE}:{name.upper()}"})
    monkeypatch.setattr(NORM, "_loaded", {})
    with pytest.raises(InputError, match=words) as caught:
        make_model(**{kind: name})(IDS, torch.zeros_like(IDS), (IDS != 0).long())
    assert "\n" not in str(caught.value)


def test_an_operator_that_calls_torch_is_told_which_primitive_to_use(
    monkeypatch: pytest.MonkeyPatch, make_model: MakeModel
) -> None:
    plug(monkeypatch, "activation", exponential=f"{HERE}:EXPONENTIAL")
    with pytest.raises(InputError, match=r"computes 'exp' on a secret value, which torch cannot: use ops\.exp"):
        predict(make_model(activation="exponential").architecture, 1, 8)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((None, "made up"), "must be functions"),
        ((len, ""), "needs a paper"),
        ((len, "p", None, 3), "must be functions"),
    ],
)
def test_an_incomplete_operator_is_refused(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Operator(*arguments)
