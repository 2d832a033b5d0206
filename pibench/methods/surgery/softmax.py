"""Dimension 2, the adaptive polynomial softmax: (x + c)**d, fitted to each layer's own scores."""

from __future__ import annotations

import torch

from pibench.methods.surgery.layers import Seen, with_layer
from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.model.operators.softmax import POWERS, SOFTMAX

_QUERIES = 400
"""As many are enough to fit two numbers a head."""
_STEPS = 20
_TINY = 1e-9


def with_power(model: Model, index: int, name: str, seen: Seen) -> Model:
    """Return a copy in which layer ``index`` has the power softmax ``name``, fitted to what it attends to now.

    The fitted scale of each head's scores goes into its query weights; the offset is its public coefficient.
    """
    squarings, by_sum = POWERS[name]
    few = int((seen.keep.sum(1).cumsum(0) < _QUERIES).sum()) + 1
    scores = seen.values[f"layer{index}.scores"][1][:few]
    keep = seen.keep[:few, None, None, :].to(scores.dtype)
    target = attention(model, index, scores, keep)
    scale, offset = fit_power(scores, target, keep, 2**squarings, by_sum)
    layer, own = model.architecture.layers[index], model.layer_weights[index]
    rows = torch.ones(3, layer.heads, layer.head_size)
    rows[0] *= scale[:, None]
    return with_layer(
        model,
        index,
        {
            "qkv_weight": own["qkv_weight"] * rows.reshape(-1, 1),
            "qkv_bias": own["qkv_bias"] * rows.reshape(-1),
            "softmax_coefficients": offset,
        },
        softmax=name,
    )


def attention(model: Model, index: int, scores: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """Return a layer's attention weights for given scores, both (batch, heads, queries, keys)."""
    layer, own = model.architecture.layers[index], model.layer_weights[index]
    coefficients = own["softmax_coefficients"].detach() if "softmax_coefficients" in own else None
    ops = TorchInterpreter()
    return ops.normalise(*SOFTMAX[layer.softmax](ops, scores, keep, coefficients))


def fit_power(
    scores: torch.Tensor, target: torch.Tensor, keep: torch.Tensor, degree: int, by_sum: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scale and offset (heads,) such that (scale s + offset)**degree gives attention near ``target``.

    Near in the mean Kullback-Leibler divergence over all queries that are real tokens. Over their sum, weights have
    mean 1 on average (geometric); over the number of keys, they are scaled to the least squared error.
    """
    heads = scores.shape[1]
    scores, target, keep = scores.double(), target.double(), keep.double()
    queries = keep.transpose(2, 3)
    centre = (scores * target * queries).sum((0, 2, 3)) / (target * queries).sum((0, 2, 3))
    scale = torch.full((heads,), 1 / degree, dtype=torch.float64, requires_grad=True)
    offset = (1 - centre / degree).detach().requires_grad_()
    optimizer = torch.optim.LBFGS([scale, offset], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def log_power() -> torch.Tensor:
        base = scores * scale[:, None, None] + offset[:, None, None]
        return (degree * (base.square() + _TINY).log() / 2).masked_fill(keep == 0, -torch.inf)

    def divergence() -> torch.Tensor:
        log = log_power().log_softmax(-1).masked_fill(keep == 0, 0)
        return -(target * log * queries).sum((0, 2, 3)) / queries.sum() / heads

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = divergence().sum()
        value.backward()
        return value

    start = scale.detach().clone(), offset.detach().clone(), divergence().detach()
    optimizer.step(loss)
    with torch.no_grad():
        better = divergence() <= start[2]
        scale.copy_(torch.where(better, scale, start[0]))
        offset.copy_(torch.where(better, offset, start[1]))
        size = _size(log_power(), target, keep, by_sum)
        factor = (-size / degree).exp()
    return (scale * factor).detach().float(), (offset * factor).detach().float()


def _size(log: torch.Tensor, target: torch.Tensor, keep: torch.Tensor, by_sum: bool) -> torch.Tensor:
    """Return, for each head, the logarithm of what its weights are to be divided by."""
    queries = keep.transpose(2, 3)
    kept = keep.sum(-1, keepdim=True)
    mean = log.logsumexp(-1, keepdim=True) - kept.log()
    average = (mean * queries).sum((0, 2, 3)) / queries.sum()
    if by_sum:
        return average
    own = (log - average[:, None, None]).exp() / kept * queries
    error = (own * own).sum((0, 2, 3)) / (own * target).sum((0, 2, 3))
    return average + error.log()
