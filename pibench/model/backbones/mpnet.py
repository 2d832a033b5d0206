"""MPNet checkpoints (Song et al., NeurIPS 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from pibench.model.architecture import Architecture
from pibench.model.backbones.adapter import State
from pibench.model.backbones.encoder import BERT_LAYER, BERT_OUTER, Encoder
from pibench.model.module import Model

_BIAS = "encoder.relative_attention_bias.weight"
_BUCKETS = 32
"""The buckets of distances that transformers' model tells apart, whatever its configuration says."""


class MPNet(Encoder):
    """Encoders without token types whose scores have a bias for each head and distance, the same in all layers."""

    model_type = "mpnet"
    head: ClassVar[Mapping[str, str]] = {"pooler": "classifier.dense", "classifier": "classifier.out_proj"}
    outer: ClassVar[Mapping[str, str]] = {
        ours: theirs for ours, theirs in BERT_OUTER.items() if ours != "embeddings.segment"
    }
    layer: ClassVar[Mapping[str, tuple[str, ...]]] = BERT_LAYER | {
        "qkv": ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        "output": ("attention.attn.o",),
        "attention_norm": ("attention.LayerNorm",),
    }

    def problem(self, config: Any) -> str | None:
        if config.relative_attention_num_buckets != _BUCKETS:
            return f"has {config.relative_attention_num_buckets} buckets of distances; only {_BUCKETS} are supported"
        return super().problem(config)

    def first_position(self, config: Any) -> int:
        return 2  # transformers' model assumes the padding id 1

    def architecture(self, config: Any, outputs: int) -> Architecture:
        return super().architecture(config, outputs).with_layers(position_buckets=_BUCKETS)

    def weights(self, state: State, config: Any) -> dict[str, torch.Tensor]:
        bias = {f"layers.{index}.position_bias": state[_BIAS].T for index in range(config.num_hidden_layers)}
        return super().weights(state, config) | bias

    def tie(self, model: Model) -> None:
        first, *others = model.layer_weights
        for layer in others:
            layer["position_bias"] = first["position_bias"]

    def export(self, state: State, pretrained: Any) -> Any:
        """Return an ``MPNetForSequenceClassification``.

        Raises:
            ValueError: the layers no longer have the same bias.
        """
        tables = [value for name, value in state.items() if name.endswith(".position_bias")]
        if not all(torch.equal(table, tables[0]) for table in tables):
            raise ValueError("each layer has a position bias of its own: transformers' MPNet has one for all layers")
        model = super().export(state, pretrained)
        with torch.no_grad():
            model.base_model.encoder.relative_attention_bias.weight.copy_(tables[0].T)
        return model
