"""GPT-2 checkpoints (Radford et al., 2019), as language models with a vocabulary that is tied to the embedding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from pibench.model.architecture import Architecture, Layer
from pibench.model.backbones.adapter import ACTIVATIONS, Adapter, State
from pibench.model.module import DecoderEmbeddings

_OUTER = {
    "embeddings.word.weight": "wte.weight",
    "embeddings.position.weight": "wpe.weight",
    "head.final_norm_weight": "ln_f.weight",
    "head.final_norm_bias": "ln_f.bias",
}
_LAYER = {
    "attention_norm": "ln_1",
    "qkv": "attn.c_attn",
    "output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_in": "mlp.c_fc",
    "ffn_out": "mlp.c_proj",
}


class GPT2(Adapter):
    """Decoders that normalise before each sublayer."""

    model_type = "gpt2"
    family = "decoder"
    other_head = "is a decoder"

    def problem(self, config: Any) -> str | None:
        if config.activation_function not in ACTIVATIONS:
            return f"uses the activation {config.activation_function!r}; only {', '.join(ACTIVATIONS)} are supported"
        if config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights:
            return "does not scale its attention scores by 1 / sqrt(head size)"
        if not config.tie_word_embeddings:
            return "has a separate vocabulary matrix; only one that is tied to the embedding is supported"
        return None

    def architecture(self, config: Any, outputs: int) -> Architecture:
        layer = Layer(
            heads=config.n_head,
            head_size=config.n_embd // config.n_head,
            ffn_size=config.n_inner or 4 * config.n_embd,
            activation=ACTIVATIONS[config.activation_function],
        )
        words, eps = config.vocab_size, config.layer_norm_epsilon
        return Architecture(config.n_embd, (layer,) * config.n_layer, words, eps, family="decoder")

    def embeddings(self, config: Any) -> DecoderEmbeddings:
        return DecoderEmbeddings(config.vocab_size, config.n_positions, config.n_embd)

    def positions(self, config: Any) -> int:
        return config.n_positions

    def token_types(self, config: Any) -> int:
        return 0

    def weights(self, state: State, config: Any) -> dict[str, torch.Tensor]:
        return {ours: _turned(ours, state[theirs]) for ours, theirs in _names(config.n_layer)}

    def export(self, state: State, pretrained: Any) -> Any:
        """Return a ``GPT2LMHeadModel``."""
        from transformers import GPT2LMHeadModel

        config = pretrained.config
        gpt2 = GPT2LMHeadModel(config)
        names = _names(config.n_layer)
        gpt2.transformer.load_state_dict({theirs: _turned(ours, state[ours]) for ours, theirs in names})
        return gpt2


def _names(layers: int) -> Iterator[tuple[str, str]]:
    """Yield our name of each weight and that of transformers' ``GPT2Model``."""
    yield from _OUTER.items()
    for index in range(layers):
        for ours, theirs in _LAYER.items():
            for kind in ("weight", "bias"):
                yield f"layers.{index}.{ours}_{kind}", f"h.{index}.{theirs}.{kind}"


def _turned(ours: str, value: torch.Tensor) -> torch.Tensor:
    """Convert a weight in either direction: the matrices of GPT-2's layers are (in, out), ours (out, in)."""
    return value.T if ours.startswith("layers.") and value.dim() == 2 else value
