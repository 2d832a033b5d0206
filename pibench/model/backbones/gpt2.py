"""Pretrained GPT-2 checkpoints, from the Hugging Face hub or a folder, as decoders of ours."""

from __future__ import annotations

from typing import Any

import torch

from pibench.errors import InputError
from pibench.model.architecture import Architecture, Layer
from pibench.model.module import DecoderEmbeddings, Model

_ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "relu": "relu"}
_LAYER = {
    "attention_norm": "ln_1",
    "qkv": "attn.c_attn",
    "output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_in": "mlp.c_fc",
    "ffn_out": "mlp.c_proj",
}


def load_gpt2(name: str) -> Model:
    """Load a GPT-2 language model by hub id or folder.

    Raises:
        InputError: it cannot be found or read, is not a GPT-2, or has what our decoder lacks.
    """
    from transformers import AutoConfig, GPT2LMHeadModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(name)
        if problem := _unsupported(config):
            raise InputError(f"decoder {name!r} {problem}")
        return from_gpt2(GPT2LMHeadModel.from_pretrained(name, dtype=torch.float32))
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"decoder {name!r} could not be loaded: give a hub id or a folder ({type(error).__name__}: {reason})"
        ) from error


def _unsupported(config: Any) -> str | None:
    """Say what keeps a checkpoint from being a plain GPT-2, or nothing."""
    if config.model_type != "gpt2":
        return f"is a {config.model_type} model; only GPT-2 decoders are supported"
    if config.activation_function not in _ACTIVATIONS:
        return f"uses the activation {config.activation_function!r}; only {', '.join(_ACTIVATIONS)} are supported"
    if config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights:
        return "scales its attention scores in another way than by 1 / sqrt(head size)"
    if not config.tie_word_embeddings:
        return "has a vocabulary matrix of its own; only one that is tied to the embedding is supported"
    return None


def from_gpt2(gpt2: Any) -> Model:
    """Return our decoder with the weights of transformers' ``GPT2LMHeadModel``."""
    config, state = gpt2.config, gpt2.state_dict()
    layer = Layer(
        heads=config.n_head,
        head_size=config.n_embd // config.n_head,
        ffn_size=config.n_inner or 4 * config.n_embd,
        activation=_ACTIVATIONS[config.activation_function],
    )
    architecture = Architecture(
        config.n_embd, (layer,) * config.n_layer, config.vocab_size, config.layer_norm_epsilon, family="decoder"
    )
    model = Model(architecture, DecoderEmbeddings(config.vocab_size, config.n_positions, config.n_embd))
    ours = {
        "embeddings.word.weight": state["transformer.wte.weight"],
        "embeddings.position.weight": state["transformer.wpe.weight"],
        "head.final_norm_weight": state["transformer.ln_f.weight"],
        "head.final_norm_bias": state["transformer.ln_f.bias"],
    }
    for index in range(config.n_layer):
        for name, module in _LAYER.items():
            for kind in ("weight", "bias"):
                value = state[f"transformer.h.{index}.{module}.{kind}"]
                ours[f"layers.{index}.{name}_{kind}"] = value.T if value.dim() == 2 else value  # Conv1D is (in, out)
    model.load_state_dict(ours)
    return model.eval()
