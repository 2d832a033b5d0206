"""A softmax of even powers, (x + c)**d, and how it is fitted to the attention of each head."""

from __future__ import annotations

from functools import partial

import torch

from pibench.model.operators.denominator import kept_keys, mean_of_kept
from pibench.model.operators.operator import Operator
from pibench.model.primitives import Denominator, Interpreter, Value

POWER_MEAN = (2.0**-6, 100.0)
"""Where the mean of (x + c)**d over all kept keys must lie; :func:`fit_power` brings it to 1."""
_STEPS = 20
_TINY = 1e-9


def power(
    squarings: int,
    by_sum: bool,
    ops: Interpreter,
    scores: Value,
    keep: torch.Tensor,
    coefficients: torch.Tensor | None,
) -> tuple[Value, Denominator | None]:
    """Return (x + c)**d for d = 2**squarings, over its sum or over the number of kept keys.

    The even polynomial that costs the fewest products for its degree. The offset c (heads,) is public; a scale of x
    is part of the query weights. With x = s / d and c = 1 it tends to exp(s) as d grows. Weights are never negative, so
    that over their sum they average values, however far off a score is; beyond x = -c they grow again.
    """
    if coefficients is None:
        raise ValueError("a power softmax needs one coefficient a head")
    weights = ops.shift(scores, coefficients.reshape(-1, 1, 1))
    for _ in range(squarings):
        weights = ops.square(weights)
    weights = ops.mask(weights, keep)
    if by_sum:
        return weights, mean_of_kept(ops, weights, keep, POWER_MEAN)
    return ops.scale(weights, 1 / kept_keys(keep)), None


def fit_power(
    scores: torch.Tensor, target: torch.Tensor, keep: torch.Tensor, degree: int, by_sum: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scale and offset (heads,) such that (scale s + offset)**degree gives attention near ``target``.

    Near in the mean Kullback-Leibler divergence over all queries that are real tokens. Over their sum, weights have
    mean 1 on average (geometric); over the number of keys, they are scaled to the least squared error. Shapes are those
    of :attr:`Operator.fit`.
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
    """Return, for each head, the logarithm of the divisor of its weights."""
    queries = keep.transpose(2, 3)
    kept = keep.sum(-1, keepdim=True)
    mean = log.logsumexp(-1, keepdim=True) - kept.log()
    average = (mean * queries).sum((0, 2, 3)) / queries.sum()
    if by_sum:
        return average
    own = (log - average[:, None, None]).exp() / kept * queries
    error = (own * own).sum((0, 2, 3)) / (own * target).sum((0, 2, 3))
    return average + error.log()


def rescale(degree: int, coefficients: torch.Tensor, extremes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scale and offset (heads,) that bring the divisor (2, heads) to 1, geometrically.

    A factor on both x and c is a factor on (x + c)**d, which cancels in the division by the sum.
    """
    factor = extremes.prod(0) ** (-0.5 / degree)
    return factor, coefficients * factor


def _operator(squarings: int, by_sum: bool) -> Operator:
    degree = 2**squarings
    return Operator(
        partial(power, squarings, by_sum),
        "IG-3D, our reconstruction; after Power-Softmax, arXiv 2410.09457",
        coefficients=lambda layer: (layer.heads,),
        fit=partial(fit_power, degree=degree, by_sum=by_sum),
        rescale=partial(rescale, degree) if by_sum else None,
        typical_scale=1 / degree,
    )


POWERS = {
    f"power{2**squarings}{'' if by_sum else '_length'}": _operator(squarings, by_sum)
    for by_sum in (True, False)
    for squarings in (1, 2, 3)
}
"""``power2``, ``power4``, ``power8``, over the sum, and their ``_length`` forms, over the number of kept keys."""
