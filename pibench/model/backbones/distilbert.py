"""DistilBERT checkpoints (Sanh et al., arXiv 1910.01108)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pibench.model.backbones.encoder import Encoder


class DistilBert(Encoder):
    """Encoders like BERT without token types and without a pooler."""

    model_type = "distilbert"
    head: ClassVar[Mapping[str, str]] = {"pooler": "pre_classifier", "classifier": "classifier"}
    other_head = "has ReLU in its head"
    outer: ClassVar[Mapping[str, str]] = {
        "embeddings.word": "embeddings.word_embeddings",
        "embeddings.position": "embeddings.position_embeddings",
        "embeddings.norm": "embeddings.LayerNorm",
    }
    layers = "transformer.layer"
    layer: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "qkv": ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        "output": ("attention.out_lin",),
        "attention_norm": ("sa_layer_norm",),
        "ffn_in": ("ffn.lin1",),
        "ffn_out": ("ffn.lin2",),
        "ffn_norm": ("output_layer_norm",),
    }

    def activation(self, config: Any) -> Any:
        return config.activation

    def inner_size(self, config: Any) -> int:
        return config.hidden_dim

    def norm_eps(self, config: Any) -> float:
        return 1e-12
