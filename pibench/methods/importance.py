"""How much each attention head matters, by Integrated Gradients and by the scores it is compared with.

A gate in [0, 1] scales each head's context vector. F is the log-probability of the true label, for a regression
minus the squared error. Every function returns one non-negative score for each example and head, shape (examples,
layers, heads): a head's importance is the mean over examples, and halves of the examples tell how stable it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from pibench.errors import InputError
from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.tasks.batches import Batch, pad
from pibench.tasks.data import Split

EXAMPLES = 200
"""As many as AttAttr takes (Hao et al., AAAI 2021, section 5)."""
IG_STEPS = 8
ATTRIBUTION_STEPS = 20
ATTRIBUTION_EXAMPLES = 50
"""Fewer, because one takes a pass for every layer and step."""
_BATCH = 16

Importance = Callable[[Model, Split, int, int], torch.Tensor]


@dataclass(frozen=True)
class Attributions:
    """Signed attributions (examples, layers, heads) and F at open and at closed gates (examples,)."""

    values: torch.Tensor
    open: torch.Tensor
    closed: torch.Tensor

    @property
    def completeness_error(self) -> float:
        """Return the mean of abs(sum of attributions - (F(1) - F(0))), over the mean of abs(F(1) - F(0))."""
        difference = self.open - self.closed
        return float((self.values.sum((1, 2)) - difference).abs().mean() / difference.abs().mean())


def goal(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return F for each example: log-probability of the true label, or minus the squared error."""
    if logits.shape[1] == 1:
        return -((logits[:, 0] - labels) ** 2)
    return logits.log_softmax(-1).gather(1, labels[:, None])[:, 0]


def sample(split: Split, pad_id: int, seed: int, examples: int = EXAMPLES) -> list[Batch]:
    """Return random examples of ``split`` in batches of similar length."""
    order = np.random.default_rng(seed).permutation(len(split))[:examples]
    order = order[np.argsort([len(split.input_ids[i]) for i in order], kind="stable")]
    return [pad(split, order[start : start + _BATCH], pad_id) for start in range(0, len(order), _BATCH)]


def gated(model: Model, gates: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return F (examples,) of a batch with gates of shape (examples, layers, heads)."""
    return _gated(model, gates, batch.input_ids, batch.token_type_ids, batch.keep, batch.labels)


def _gated(model: Model, gates: torch.Tensor, *batch: torch.Tensor) -> torch.Tensor:
    *inputs, labels = batch
    return goal(model(*inputs, gates=gates.transpose(0, 1)).logits, labels)


def attributions(model: Model, split: Split, pad_id: int, seed: int, steps: int = IG_STEPS) -> Attributions:
    """Integrate the gradient of F along all gates at once, from closed to open (Sundararajan et al., ICML 2017).

    By captum, with the Gauss-Legendre rule of ``steps`` points.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise InputError("Integrated Gradients need captum: run `pip install 'pibench[bench]'`") from error

    layers = model.architecture.layers
    method = IntegratedGradients(lambda *arguments: _gated(model, *arguments))
    parts = []
    for batch in sample(split, pad_id, seed):
        ones = torch.ones(len(batch.labels), len(layers), layers[0].heads)
        values = method.attribute(
            ones,
            additional_forward_args=(batch.input_ids, batch.token_type_ids, batch.keep, batch.labels),
            n_steps=steps,
            method="gausslegendre",
            internal_batch_size=8 * _BATCH,
        )
        with torch.no_grad():
            parts.append((values.detach(), gated(model, ones, batch), gated(model, 0 * ones, batch)))
    return Attributions(*(torch.cat(column) for column in zip(*parts, strict=True)))


def integrated_gradients(model: Model, split: Split, pad_id: int, seed: int) -> torch.Tensor:
    """Return the absolute attributions of :func:`attributions`."""
    return attributions(model, split, pad_id, seed).values.abs()


def taylor(model: Model, split: Split, pad_id: int, seed: int) -> torch.Tensor:
    """Return the absolute gradient of F at open gates (Michel et al., NeurIPS 2019, section 4.1)."""
    layers = model.architecture.layers
    parts = []
    for batch in sample(split, pad_id, seed):
        gates = torch.ones(len(batch.labels), len(layers), layers[0].heads, requires_grad=True)
        (gradient,) = torch.autograd.grad(gated(model, gates, batch).sum(), gates)
        parts.append(gradient.abs())
    return torch.cat(parts)


def attention_attribution(model: Model, split: Split, pad_id: int, seed: int) -> torch.Tensor:
    """Return each head's largest attention attribution: AttAttr (Hao et al., AAAI 2021, equation 4 and section 5).

    One layer at a time, its attention is scaled from zero to its full value, with a left Riemann sum over the gradient
    of the true label's probability (regression: of F).
    """
    parts = []
    for batch in sample(split, pad_id, seed, ATTRIBUTION_EXAMPLES):
        by_layer = [_of_layer(model, batch, index) for index in range(len(model.layers))]
        parts.append(torch.stack(by_layer, 1))
    return torch.cat(parts)


def _of_layer(model: Model, batch: Batch, index: int) -> torch.Tensor:
    total: torch.Tensor | None = None
    for step in range(ATTRIBUTION_STEPS):
        ops = _ScaledAttention(f"layer{index}.context", step / ATTRIBUTION_STEPS)
        logits = model(batch.input_ids, batch.token_type_ids, batch.keep, ops).logits
        value = goal(logits, batch.labels)
        value = value.exp() if logits.shape[1] > 1 else value
        (gradient,) = torch.autograd.grad(value.sum(), ops.attention)
        total = gradient if total is None else total + gradient
    assert total is not None
    return (total * ops.unscaled / ATTRIBUTION_STEPS).amax((2, 3)).clamp_min(0)


class _ScaledAttention(TorchInterpreter):
    """Scales the attention weights of one layer; ``attention`` is what a gradient can be taken with respect to."""

    def __init__(self, operator: str, factor: float) -> None:
        super().__init__()
        self._operator, self._factor = operator, factor
        self.attention = self.unscaled = torch.empty(0)

    def matmul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if self.operator == self._operator:
            self.unscaled = a.detach()
            a = self.attention = (self._factor * self.unscaled).requires_grad_()
        return super().matmul(a, b)


@torch.no_grad()
def magnitude(model: Model, split: Split, pad_id: int, seed: int) -> torch.Tensor:
    """Return the norm of each head's weights in and out, the same for every example (Han et al., NeurIPS 2015)."""
    scores = []
    for layer, own in zip(model.architecture.layers, model.layer_weights, strict=True):
        size = (3, layer.heads, layer.head_size)
        inputs = own["qkv_weight"].reshape(*size, -1).square().sum((0, 2, 3))
        biases = own["qkv_bias"].reshape(size).square().sum((0, 2))
        outputs = own["output_weight"].reshape(-1, *size[1:]).square().sum((0, 2))
        scores.append((inputs + biases + outputs).sqrt())
    return torch.stack(scores).expand(min(EXAMPLES, len(split)), -1, -1)


def chance(model: Model, split: Split, pad_id: int, seed: int) -> torch.Tensor:
    """Return random scores, the same for every example."""
    layers = model.architecture.layers
    scores = torch.rand(len(layers), layers[0].heads, generator=torch.Generator().manual_seed(seed))
    return scores.expand(min(EXAMPLES, len(split)), -1, -1)


IMPORTANCE: dict[str, Importance] = {
    "integrated_gradients": integrated_gradients,
    "attention_attribution": attention_attribution,
    "taylor": taylor,
    "magnitude": magnitude,
    "random": chance,
}
"""Every score by name."""
