"""The one forward pass: the model that is trained is the one that is scored and served.

It is written over an interpreter's primitives, so that the same code computes floats, runs on secret shares and
predicts costs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch

from pibench.model.architecture import Architecture, Layer
from pibench.model.operators.activation import ACTIVATION
from pibench.model.operators.norm import NORM
from pibench.model.operators.operator import like_input, weights_and_divisor
from pibench.model.operators.softmax import SOFTMAX
from pibench.model.parameters import Weights
from pibench.model.primitives import Interpreter, Value

FARTHEST = 128
"""The distance from which all keys on one side of a query share a bucket, as in MPNet."""


@dataclass(frozen=True)
class Output:
    """What the forward pass returns: logits, and every layer's output (batch, seq, hidden).

    An encoder's logits have shape (batch, outputs), a decoder's (batch, seq, outputs).
    """

    logits: Value
    hidden: list[Value]


def forward(
    ops: Interpreter,
    architecture: Architecture,
    weights: Weights,
    embedded: Value,
    keep: torch.Tensor,
    gates: torch.Tensor | None = None,
    last: bool = False,
) -> Output:
    """Run the layers and the head.

    ``embedded`` has shape (batch, seq, hidden); ``keep`` is the public 0/1 mask (batch, seq). ``gates``
    (layers, heads) or (layers, batch, heads) scales each head's context vector, for importance scores; every
    layer must then have the same number of heads. With ``last`` a decoder returns only the logits of the last position.
    """
    outputs = encode(ops, architecture, weights, embedded, keep, gates)
    if architecture.family == "decoder":
        hidden = outputs[-1][:, -1:] if last else outputs[-1]
        return Output(_words(ops, weights.head, hidden, architecture.norm_eps), outputs)
    return Output(_classify(ops, weights.head, outputs[-1]), outputs)


def encode(
    ops: Interpreter,
    architecture: Architecture,
    weights: Weights,
    embedded: Value,
    keep: torch.Tensor,
    gates: torch.Tensor | None = None,
) -> list[Value]:
    """Run the layers without the head and return each one's output (batch, seq, hidden); see :func:`forward`."""
    decoder = architecture.family == "decoder"
    block = _decoder_layer if decoder else _encoder_layer
    mask = keep[:, None, None, :]
    if decoder:
        mask = mask * torch.ones(keep.shape[1], keep.shape[1], dtype=keep.dtype, device=keep.device).tril()
    hidden, outputs = embedded, []
    for index, (layer, layer_weights) in enumerate(zip(architecture.layers, weights.layers, strict=True)):
        with ops.scope(f"layer{index}"):
            gate = None if gates is None else gates[index]
            hidden = block(ops, layer, layer_weights, hidden, mask, architecture.norm_eps, gate)
        outputs.append(hidden)
    return outputs


def _encoder_layer(
    ops: Interpreter,
    layer: Layer,
    weights: Mapping[str, Value],
    hidden: Value,
    keep: torch.Tensor,
    norm_eps: float,
    gate: torch.Tensor | None,
) -> Value:
    """Run one layer on ``hidden`` (batch, seq, hidden); ``keep`` broadcasts to (batch, heads, seq, seq)."""
    hidden = ops.add(hidden, ops.dropout(_attention(ops, layer, weights, hidden, keep, gate)))
    if layer.attention_scaled:
        hidden = ops.scale(hidden, weights["attention_coefficients"][0])
    hidden = _norm(ops, layer, weights, "attention_norm", hidden, norm_eps)
    hidden = _add_feed_forward(ops, layer, weights, hidden, hidden)
    return _norm(ops, layer, weights, "ffn_norm", hidden, norm_eps)


def _decoder_layer(
    ops: Interpreter,
    layer: Layer,
    weights: Mapping[str, Value],
    hidden: Value,
    keep: torch.Tensor,
    norm_eps: float,
    gate: torch.Tensor | None,
) -> Value:
    """Run one layer like :func:`_encoder_layer`, but normalise what goes into a sublayer."""
    normalised = _norm(ops, layer, weights, "attention_norm", hidden, norm_eps)
    hidden = ops.add(hidden, ops.dropout(_attention(ops, layer, weights, normalised, keep, gate)))
    if layer.ffn_size is None:
        return hidden
    normalised = _norm(ops, layer, weights, "ffn_norm", hidden, norm_eps)
    return _add_feed_forward(ops, layer, weights, hidden, normalised)


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
    bias = None
    if layer.position_buckets:
        bias = ops.select(weights["position_bias"], distance_buckets(length, layer.position_buckets, keep.device))
    if layer.temperatures:
        factor = (-weights["temperature_coefficients"][:, :length]).exp()[..., None]
        query = ops.scale(query, factor)
        bias = None if bias is None else ops.scale(bias, factor)
    with ops.scope("scores"):
        scores = ops.attention_scores(query, key, bias)
    with ops.scope("softmax"):
        made = SOFTMAX[layer.softmax](ops, scores, keep, weights.get("softmax_coefficients"))
        attention, total = weights_and_divisor(layer.softmax, made, scores)
    with ops.scope("context"):
        context = ops.matmul(attention, value)
    if total is not None:
        with ops.scope("softmax"):
            context = ops.normalise(context, total)
    if gate is not None:
        context = ops.scale(context, gate[..., None, None])
    context = context.transpose(1, 2).reshape(batch, length, layer.heads * layer.head_size)
    with ops.scope("output"):
        return ops.linear(context, weights["output_weight"], weights["output_bias"])


@lru_cache(maxsize=64)
def distance_buckets(length: int, buckets: int, device: torch.device) -> torch.Tensor:
    """Return the bucket of every key's distance from every query, (length, length), as in T5 (Raffel et al., 2020).

    Half of the buckets are for keys after the query. Of each half, half are for one distance each, and the others grow
    logarithmically up to :data:`FARTHEST`, beyond which all distances share the last one.
    """
    positions = torch.arange(length)
    offset = positions[None, :] - positions[:, None]
    half, distance = buckets // 2, offset.abs()
    exact = half // 2
    share = torch.log(distance.float() / exact) / math.log(FARTHEST / exact)
    far = exact + (share * (half - exact)).long().clamp(max=half - 1 - exact)
    return ((offset > 0) * half + torch.where(distance < exact, distance, far)).to(device)


def _add_feed_forward(
    ops: Interpreter, layer: Layer, weights: Mapping[str, Value], hidden: Value, inputs: Value
) -> Value:
    if layer.ffn_size is None:
        return hidden
    update = ops.dropout(_feed_forward(ops, layer, weights, inputs))
    if layer.scaled:
        past, through = weights["ffn_coefficients"]
        hidden, update = ops.scale(hidden, past), ops.scale(update, through)
    return ops.add(hidden, update)


def _feed_forward(ops: Interpreter, layer: Layer, weights: Mapping[str, Value], hidden: Value) -> Value:
    if layer.ffn_size == 0:
        with ops.scope("ffn"):
            return ops.linear(hidden, weights["ffn_weight"], weights["ffn_bias"])
    with ops.scope("ffn_in"):
        inner = ops.linear(hidden, weights["ffn_in_weight"], weights["ffn_in_bias"])
    with ops.scope("activation"):
        made = ACTIVATION[layer.activation](ops, inner, weights.get("activation_coefficients"))
        inner = like_input("activation", layer.activation, made, inner)
    with ops.scope("ffn_out"):
        return ops.linear(inner, weights["ffn_out_weight"], weights["ffn_out_bias"])


def _norm(
    ops: Interpreter, layer: Layer, weights: Mapping[str, Value], name: str, hidden: Value, norm_eps: float
) -> Value:
    with ops.scope(name):
        scale, shift = weights.get(f"{name}_weight"), weights.get(f"{name}_bias")
        made = NORM[layer.norm](ops, hidden, scale, shift, norm_eps)
        return like_input("norm", layer.norm, made, hidden)


def _classify(ops: Interpreter, head: Mapping[str, Value], hidden: Value) -> Value:
    first = hidden[:, 0]
    with ops.scope("pooler"):
        pooled = ops.tanh(ops.linear(first, head["pooler_weight"], head["pooler_bias"]))
    with ops.scope("classifier"):
        return ops.linear(ops.dropout(pooled), head["classifier_weight"], head["classifier_bias"])


def _words(ops: Interpreter, head: Mapping[str, Value], hidden: Value, norm_eps: float) -> Value:
    with ops.scope("final_norm"):
        hidden = ops.layer_norm(hidden, head["final_norm_weight"], head["final_norm_bias"], norm_eps)
    with ops.scope("vocabulary"):
        return ops.linear(hidden, head["vocabulary_weight"], head["vocabulary_bias"])
