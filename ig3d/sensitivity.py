"""The common currency of the three dimensions: the accuracy that a move costs, in nats of the true label.

A move on one layer is priced separately, on the dense model: the mean over examples of abs(F(changed) - F(dense)), with
F as in :mod:`pibench.methods.importance`. A head's importance is in the same unit: it is the part of F that Integrated
Gradients attributes to the head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from pibench.methods.importance import IMPORTANCE, goal
from pibench.methods.surgery.activation import with_activation
from pibench.methods.surgery.layers import observe
from pibench.methods.surgery.softmax import with_softmax
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.finetune import predict

SOFTMAXES = ("power4", "power2", "power4_length", "power2_length")
EXAMPLES = 128
ACTIVATIONS = ("relu", "square", "identity")


@dataclass(frozen=True)
class Losses:
    """Predicted losses in nats: of each head (layers, heads), and by layer of each softmax and activation."""

    heads: torch.Tensor
    softmax: Sequence[Mapping[str, float]]
    activation: Sequence[Mapping[str, float]]


def measure(dense: Model, data: TaskData, dimensions: Sequence[str], importance: str, seed: int) -> Losses:
    """Return the losses of every move of the given dimensions, measured and fitted on train."""
    layers = range(len(dense.layers))
    seen = observe(dense, data.train, data.pad_id, seed)
    before = _goal(dense, data)

    def loss(changed: Model) -> float:
        return float((_goal(changed, data) - before).abs().mean())

    softmax: list[dict[str, float]] = [{"exact": 0.0} for _ in layers]
    activation: list[dict[str, float]] = [{"gelu": 0.0} for _ in layers]
    for index in layers:
        if "softmax" in dimensions:
            softmax[index] |= {name: loss(with_softmax(dense, index, name, seen)) for name in SOFTMAXES}
        if "gelu" in dimensions:
            activation[index] |= {name: loss(with_activation(dense, index, name, seen)) for name in ACTIVATIONS}
    heads = torch.zeros(len(layers), dense.architecture.layers[0].heads)
    if "heads" in dimensions:
        heads = IMPORTANCE[importance](dense, data.train, data.pad_id, seed).mean(0)
    return Losses(heads, softmax, activation)


def _goal(model: Model, data: TaskData) -> torch.Tensor:
    split = data.train.first(EXAMPLES)
    return goal(torch.from_numpy(predict(model, split, data.pad_id)), split.labels)
