"""The one forward pass: what is trained is what is scored is what is served.

Written over an interpreter's primitives, so that the same code computes floats, runs on secret shares and
predicts costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from pibench.architecture import Architecture, Layer
from pibench.interpreters.base import Interpreter, Value
from pibench.operators.activation import ACTIVATION
from pibench.operators.norm import NORM
from pibench.operators.softmax import SOFTMAX

PUBLIC_SUFFIX = "_coefficients"
"""Weights with this ending are public to both parties: an operator's polynomial coefficients."""


@dataclass(frozen=True)
class Weights:
    """A model's weights as an interpreter's values; names as in :class:`pibench.model.Model`."""

    layers: Sequence[Mapping[str, Value]]
    head: Mapping[str, Value]

    def map(self, change: Callable[[str, Value], Value]) -> Weights:
        """Return ``change(name, weight)`` of every weight; the name is that within the layer or the head."""
        layers = [{name: change(name, value) for name, value in layer.items()} for layer in self.layers]
        return Weights(layers, {name: change(name, value) for name, value in self.head.items()})


@dataclass(frozen=True)
class Output:
    """What the forward pass returns: logits (batch, outputs) and every layer's output (batch, seq, hidden)."""

    logits: Value
    hidden: list[Value]


def encode(
    ops: Interpreter,
    architecture: Architecture,
    weights: Weights,
    embedded: Value,
    keep: torch.Tensor,
    gates: torch.Tensor | None = None,
) -> Output:
    """Run the encoder and its head.

    ``embedded`` has shape (batch, seq, hidden); ``keep`` is the public 0/1 mask (batch, seq). ``gates``
    (layers, heads) or (layers, batch, heads) scales each head's context vector, for importance scores; every
    layer must then have the same number of heads.
    """
    keep = keep[:, None, None, :]
    hidden, outputs = embedded, []
    for index, (layer, layer_weights) in enumerate(zip(architecture.layers, weights.layers, strict=True)):
        with ops.scope(f"layer{index}"):
            gate = None if gates is None else gates[index]
            hidden = encode_layer(ops, layer, layer_weights, hidden, keep, architecture.norm_eps, gate)
        outputs.append(hidden)
    return Output(_classify(ops, weights.head, hidden), outputs)


def encode_layer(
    ops: Interpreter,
    layer: Layer,
    weights: Mapping[str, Value],
    hidden: Value,
    keep: torch.Tensor,
    norm_eps: float,
    gate: torch.Tensor | None = None,
) -> Value:
    """Run one layer on ``hidden`` (batch, seq, hidden); ``keep`` has shape (batch, 1, 1, seq)."""
    attended = _attention(ops, layer, weights, hidden, keep, gate)
    hidden = _add_norm(ops, layer, weights, "attention_norm", hidden, attended, norm_eps)
    transformed = _feed_forward(ops, layer, weights, hidden)
    return _add_norm(ops, layer, weights, "ffn_norm", hidden, transformed, norm_eps)


def _attention(
    ops: Interpreter,
    layer: Layer,
    weights: Mapping[str, Value],
    hidden: Value,
    keep: torch.Tensor,
    gate: torch.Tensor | None,
) -> Value:
    batch, length, _ = hidden.shape
    with ops.scope("qkv"):
        qkv = ops.linear(hidden, weights["qkv_weight"], weights["qkv_bias"], parts=3)
    qkv = qkv.reshape(batch, length, 3, layer.heads, layer.head_size).transpose(1, 3)
    query, key, value = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
    with ops.scope("scores"):
        scores = ops.attention_scores(query, key)
    with ops.scope("softmax"):
        attention, total = SOFTMAX[layer.softmax](ops, scores, keep, weights.get("softmax_coefficients"))
    with ops.scope("context"):
        context = ops.matmul(attention, value)
    if total is not None:
        with ops.scope("softmax"):
            context = ops.over(context, total)
    if gate is not None:
        context = ops.scale(context, gate[..., None, None])
    context = context.transpose(1, 2).reshape(batch, length, layer.heads * layer.head_size)
    with ops.scope("output"):
        return ops.linear(context, weights["output_weight"], weights["output_bias"])


def _feed_forward(ops: Interpreter, layer: Layer, weights: Mapping[str, Value], hidden: Value) -> Value:
    if layer.ffn_size == 0:
        with ops.scope("ffn"):
            return ops.linear(hidden, weights["ffn_weight"], weights["ffn_bias"])
    with ops.scope("ffn_in"):
        inner = ops.linear(hidden, weights["ffn_in_weight"], weights["ffn_in_bias"])
    with ops.scope("activation"):
        inner = ACTIVATION[layer.activation](ops, inner, weights.get("activation_coefficients"))
    with ops.scope("ffn_out"):
        return ops.linear(inner, weights["ffn_out_weight"], weights["ffn_out_bias"])


def _add_norm(
    ops: Interpreter,
    layer: Layer,
    weights: Mapping[str, Value],
    name: str,
    hidden: Value,
    update: Value,
    norm_eps: float,
) -> Value:
    total = ops.add(hidden, ops.dropout(update))
    with ops.scope(name):
        scale, shift = weights[f"{name}_weight"], weights[f"{name}_bias"]
        return NORM[layer.norm](ops, total, scale, shift, norm_eps)


def _classify(ops: Interpreter, head: Mapping[str, Value], hidden: Value) -> Value:
    first = hidden[:, 0]
    with ops.scope("pooler"):
        pooled = ops.tanh(ops.linear(first, head["pooler_weight"], head["pooler_bias"]))
    with ops.scope("classifier"):
        return ops.linear(ops.dropout(pooled), head["classifier_weight"], head["classifier_bias"])
