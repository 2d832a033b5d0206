"""Replace the activation of a layer by a cheaper one that is fitted to the layer's own pre-activations."""

from __future__ import annotations

import torch

from pibench.methods.surgery.layers import Seen, with_layer
from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.model.operators.activation import ACTIVATION

_LEAST_CURVATURE = 0.02
"""The vertex of a flatter parabola would lie so far away that fixed point loses the neuron's values."""
_RIDGE = 1e-3


def with_activation(model: Model, index: int, name: str, seen: Seen) -> Model:
    """Return a copy in which layer ``index`` has the activation ``name``, fitted to what it computes now.

    ``square`` becomes a parabola of each neuron's own, ``identity`` turns the feed-forward network into one matrix; for
    any other the output bias takes up the mean difference. ``seen`` is what went through the model.
    """
    if name == "square":
        return _with_squares(model, index, seen)
    if name == "identity":
        return _with_one_matrix(model, index, seen)
    own = model.layer_weights[index]
    inputs = seen.tokens(f"layer{index}.ffn_in")[1]
    changed = with_layer(model, index, {}, activation=name)
    missing = (activation(model, index, inputs) - activation(changed, index, inputs)).mean(0)
    return with_layer(changed, index, {"ffn_out_bias": own["ffn_out_bias"] + own["ffn_out_weight"] @ missing})


def _with_squares(model: Model, index: int, seen: Seen) -> Model:
    """Give each neuron the parabola p2 (x + p1 / 2 p2)**2 + rest nearest to its activation.

    Vertex, curvature and rest go into the weights before and after, which leaves a plain square.
    """
    own = model.layer_weights[index]
    inputs = seen.tokens(f"layer{index}.ffn_in")[1]
    constant, linear, curvature = fit_parabolas(inputs, activation(model, index, inputs))
    root = curvature.abs().sqrt()
    vertex = linear / (2 * curvature)
    out = own["ffn_out_weight"]
    return with_layer(
        model,
        index,
        {
            "ffn_in_weight": own["ffn_in_weight"] * root[:, None],
            "ffn_in_bias": (own["ffn_in_bias"] + vertex) * root,
            "ffn_out_weight": out * curvature.sign(),
            "ffn_out_bias": own["ffn_out_bias"] + out @ (constant - curvature * vertex**2),
        },
        activation="square",
    )


def _with_one_matrix(model: Model, index: int, seen: Seen) -> Model:
    """Replace the feed-forward network by the linear map nearest to it (ridge regression)."""
    inputs = seen.tokens(f"layer{index}.ffn_in")[0]
    outputs = seen.tokens(f"layer{index}.ffn_out")[1]
    weight, bias = fit_linear(inputs, outputs)
    return with_layer(model, index, {"ffn_weight": weight, "ffn_bias": bias}, activation="identity", ffn_size=0)


@torch.no_grad()
def activation(model: Model, index: int, inputs: torch.Tensor) -> torch.Tensor:
    """Return a layer's activation of pre-activations of any shape."""
    coefficients = model.layer_weights[index].get("activation_coefficients")
    return ACTIVATION[model.architecture.layers[index].activation](TorchInterpreter(), inputs, coefficients)


def fit_parabolas(inputs: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
    """Return p0, p1, p2 (3, neurons) of the least-squares parabolas p0 + p1 x + p2 x**2, |p2| bounded from below.

    ``inputs`` and ``goal`` have shape (tokens, neurons).
    """
    x, y = inputs.double().T, goal.double().T
    powers = torch.stack([torch.ones_like(x), x, x * x], -1)
    p2 = _least_squares(powers, y)[:, 2]
    p2 = torch.where(p2 < 0, p2.clamp(max=-_LEAST_CURVATURE), p2.clamp(min=_LEAST_CURVATURE))
    rest = y - p2[:, None] * x * x
    line = _least_squares(powers[..., :2], rest)
    return torch.stack([line[:, 0], line[:, 1], p2]).float()


def _least_squares(columns: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
    """Return a batch's coefficients (batch, columns); by SVD, as torch's default driver differs from run to run."""
    return torch.linalg.lstsq(columns, goal[..., None], driver="gelsd").solution[..., 0]


def fit_linear(inputs: torch.Tensor, outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight (out, in) and bias (out,) of the ridge regression from inputs (tokens, in) to outputs."""
    x, y = inputs.double(), outputs.double()
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = x - x_mean, y - y_mean
    ridge = _RIDGE * x.square().sum() / x.shape[1] * torch.eye(x.shape[1], dtype=x.dtype)
    weight = torch.linalg.solve(x.T @ x + ridge, x.T @ y).T
    return weight.float(), (y_mean - weight @ x_mean).float()
