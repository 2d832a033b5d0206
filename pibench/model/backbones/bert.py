"""BERT checkpoints (Devlin et al., NAACL 2019)."""

from __future__ import annotations

from typing import Any

import torch

from pibench.model.architecture import Architecture, Layer
from pibench.model.backbones.adapter import Adapter, State
from pibench.model.module import Embeddings

_EMBEDDINGS = {
    "embeddings.word.weight": "embeddings.word_embeddings.weight",
    "embeddings.position.weight": "embeddings.position_embeddings.weight",
    "embeddings.segment.weight": "embeddings.token_type_embeddings.weight",
    "embeddings.norm.weight": "embeddings.LayerNorm.weight",
    "embeddings.norm.bias": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "ffn_in": "intermediate.dense",
    "ffn_out": "output.dense",
    "ffn_norm": "output.LayerNorm",
}
_QKV = [f"attention.self.{part}" for part in ("query", "key", "value")]
_KINDS = ("weight", "bias")


class Bert(Adapter):
    """Encoders with absolute positions and GELU."""

    model_type = "bert"
    family = "encoder"
    optional = ("pooler.",)

    def problem(self, config: Any) -> str | None:
        if config.hidden_act != "gelu":
            return f"uses the activation {config.hidden_act!r}; only 'gelu' is supported"
        if getattr(config, "is_decoder", False):
            return "is a decoder; only encoders are supported"
        if getattr(config, "position_embedding_type", "absolute") != "absolute":
            return "has relative positions; only absolute ones are supported"
        return None

    def architecture(self, config: Any, outputs: int) -> Architecture:
        layer = Layer(
            heads=config.num_attention_heads,
            head_size=config.hidden_size // config.num_attention_heads,
            ffn_size=config.intermediate_size,
        )
        return Architecture(config.hidden_size, (layer,) * config.num_hidden_layers, outputs, config.layer_norm_eps)

    def embeddings(self, config: Any) -> Embeddings:
        return Embeddings(
            config.vocab_size,
            config.max_position_embeddings,
            config.type_vocab_size,
            config.hidden_size,
            config.layer_norm_eps,
        )

    def weights(self, state: State) -> dict[str, torch.Tensor]:
        ours = {name: state[theirs] for name, theirs in _EMBEDDINGS.items()}
        layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("encoder.layer."))
        for index in range(layers):
            theirs = f"encoder.layer.{index}"
            for kind in _KINDS:
                ours[f"layers.{index}.qkv_{kind}"] = torch.cat([state[f"{theirs}.{part}.{kind}"] for part in _QKV])
                for name, module in _LAYER.items():
                    ours[f"layers.{index}.{name}_{kind}"] = state[f"{theirs}.{module}.{kind}"]
        for kind in _KINDS:
            if f"pooler.dense.{kind}" in state:
                ours[f"head.pooler_{kind}"] = state[f"pooler.dense.{kind}"]
        return ours

    def export(self, state: State, config: Any) -> Any:
        """Return a ``BertForSequenceClassification``."""
        from transformers import BertConfig, BertForSequenceClassification

        theirs = {f"bert.{name}": state[ours] for ours, name in _EMBEDDINGS.items()}
        for index in range(config.num_hidden_layers):
            for kind in _KINDS:
                parts = state[f"layers.{index}.qkv_{kind}"].chunk(3)
                for part, value in zip(_QKV, parts, strict=True):
                    theirs[f"bert.encoder.layer.{index}.{part}.{kind}"] = value
                for ours, module in _LAYER.items():
                    theirs[f"bert.encoder.layer.{index}.{module}.{kind}"] = state[f"layers.{index}.{ours}_{kind}"]
        for kind in _KINDS:
            theirs[f"bert.pooler.dense.{kind}"] = state[f"head.pooler_{kind}"]
            theirs[f"classifier.{kind}"] = state[f"head.classifier_{kind}"]
        outputs = len(state["head.classifier_bias"])
        bert = BertForSequenceClassification(BertConfig(**(config.to_dict() | {"num_labels": outputs})))
        bert.load_state_dict(theirs)
        return bert
