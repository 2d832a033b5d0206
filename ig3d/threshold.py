"""The joint threshold: one price of accuracy, in nats per megabyte, for all three dimensions.

A move makes one layer cheaper: one head fewer, a cheaper softmax, or a cheaper activation. Its price is the predicted
loss (:mod:`ig3d.sensitivity`) over the bytes that the ledger says it saves, both after all earlier moves. Taking the
cheapest move again and again gives the trajectory; a threshold tau cuts it at the first move whose price is higher.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from ig3d.sensitivity import Losses
from pibench.engines.lean.ledger import predict
from pibench.model.architecture import Architecture, Layer

_PARTS = 20
DIMENSIONS = ("heads", "softmax", "gelu")


@dataclass(frozen=True)
class LayerPlan:
    """What is left of one layer: the numbers of its heads, and its operators."""

    heads: tuple[int, ...]
    softmax: str = "exact"
    activation: str = "gelu"


ModelPlan = tuple[LayerPlan, ...]


@dataclass(frozen=True)
class Step:
    """One move of the trajectory, and where it leads."""

    layer: int
    dimension: str
    to: str
    tau: float
    loss: float
    megabytes: float
    plan: ModelPlan


def unchanged_plan(architecture: Architecture) -> ModelPlan:
    """Return the plan that changes nothing."""
    return tuple(LayerPlan(tuple(range(layer.heads))) for layer in architecture.layers)


def planned(architecture: Architecture, plan: ModelPlan) -> Architecture:
    """Return the architecture that a plan leads to."""
    layers = zip(architecture.layers, plan, strict=True)
    return replace(architecture, layers=tuple(_planned(layer, own) for layer, own in layers))


def _planned(layer: Layer, plan: LayerPlan) -> Layer:
    ffn_size = 0 if plan.activation == "identity" else layer.ffn_size
    return replace(layer, heads=len(plan.heads), softmax=plan.softmax, activation=plan.activation, ffn_size=ffn_size)


def megabytes(architecture: Architecture, seq_len: int) -> float:
    """Return the ledger's prediction for one inference, both directions."""
    return predict(architecture, 1, seq_len).total().bytes / 1e6


@lru_cache(maxsize=4096)
def layer_megabytes(layer: Layer, hidden_size: int, seq_len: int) -> float:
    """Return what one layer of that kind sends, up to a constant that is the same for all layers."""
    return megabytes(Architecture(hidden_size, (layer,), 1), seq_len)


def trajectory(dense: Architecture, losses: Losses, seq_len: int) -> list[Step]:
    """Return all moves, the cheapest first, until nothing is left to save; tau never falls."""
    plan = unchanged_plan(dense)
    total, loss, tau = megabytes(dense, seq_len), 0.0, 0.0
    steps: list[Step] = []
    while moves := list(_moves(dense, plan, losses, seq_len)):
        index, dimension, to, new, lost, saved = min(moves, key=lambda move: move[4] / move[5])
        plan = (*plan[:index], new, *plan[index + 1 :])
        total, loss, tau = total - saved, loss + lost, max(tau, lost / saved)
        steps.append(Step(index, dimension, to, tau, loss, total, plan))
    return steps


def separate_trajectories(dense: Architecture, losses: Losses, seq_len: int) -> list[Step]:
    """Return the path of three independent thresholds, in twentieths of what each dimension can save.

    ``tau`` of these steps is the largest of the three.
    """
    start = megabytes(dense, seq_len)
    alone = [trajectory(dense, _only(losses, name), seq_len) for name in DIMENSIONS]
    steps = []
    for share in range(1, _PARTS + 1):
        cuts = [cut(own, start - share / _PARTS * (start - own[-1].megabytes)) for own in alone]
        heads, softmax, gelu = (step.plan for step in cuts)
        plan = tuple(LayerPlan(h.heads, s.softmax, g.activation) for h, s, g in zip(heads, softmax, gelu, strict=True))
        tau, loss = max(step.tau for step in cuts), sum(step.loss for step in cuts)
        total = megabytes(planned(dense, plan), seq_len)
        steps.append(Step(-1, "all", f"{share}/{_PARTS}", tau, loss, total, plan))
    return steps


def _only(losses: Losses, dimension: str) -> Losses:
    """Return the losses with the moves of one dimension alone."""
    return Losses(
        losses.heads if dimension == "heads" else torch.zeros_like(losses.heads),
        losses.softmax if dimension == "softmax" else [{"exact": 0.0} for _ in losses.softmax],
        losses.activation if dimension == "gelu" else [{"gelu": 0.0} for _ in losses.activation],
    )


_Move = tuple[int, str, str, LayerPlan, float, float]
"""Layer, dimension, the change, the layer's new plan, nats lost, megabytes saved."""


def _moves(dense: Architecture, plan: ModelPlan, losses: Losses, seq_len: int) -> Iterator[_Move]:
    for index, (layer, own) in enumerate(zip(dense.layers, plan, strict=True)):
        now = layer_megabytes(_planned(layer, own), dense.hidden_size, seq_len)
        for dimension, to, new, lost in _options(index, own, losses):
            saved = now - layer_megabytes(_planned(layer, new), dense.hidden_size, seq_len)
            if saved > 0:
                yield index, dimension, to, new, lost, saved


def _options(index: int, own: LayerPlan, losses: Losses) -> Iterator[tuple[str, str, LayerPlan, float]]:
    softmax, activation = losses.softmax[index], losses.activation[index]
    for to, loss in softmax.items():
        yield "softmax", to, replace(own, softmax=to), loss - softmax[own.softmax]
    for to, loss in activation.items():
        yield "gelu", to, replace(own, activation=to), loss - activation[own.activation]
    importance = losses.heads[index]
    if len(own.heads) > 1 and bool(importance.any()):
        least = min(own.heads, key=lambda head: float(importance[head]))
        left = tuple(head for head in own.heads if head != least)
        yield "heads", f"without head {least}", replace(own, heads=left), float(importance[least])


def cut(steps: Sequence[Step], megabytes: float) -> Step:
    """Return the first step at which no more than ``megabytes`` are left, or the last one."""
    return next((step for step in steps if step.megabytes <= megabytes), steps[-1])
