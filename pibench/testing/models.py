"""Tiny models with random weights, and a tiny BERT checkpoint on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pibench.model.architecture import Architecture, Layer
from pibench.model.module import Embeddings, Model
from pibench.model.operators.activation import MPCFORMER_QUAD

WORDS, POSITIONS, HIDDEN = 50, 40, 16
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmno"]


def tiny_model(seed: int = 0, outputs: int = 2, layers: int = 2, **operators: Any) -> Model:
    """Return an encoder of 16 hidden units with random weights; ``operators`` are fields of its layers."""
    layer = Layer(**{"heads": 4, "head_size": 4, "ffn_size": 32} | operators)
    architecture = Architecture(HIDDEN, (layer,) * layers, outputs)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Model(architecture, Embeddings(WORDS, POSITIONS, 2, HIDDEN, architecture.norm_eps))
        with torch.no_grad():
            for name, value in model.named_parameters():
                if name.endswith("activation_coefficients"):
                    value.copy_(torch.tensor(MPCFORMER_QUAD))
                elif "norm" in name:
                    value.add_(0.1 * torch.randn_like(value))
                else:
                    value.normal_(0, 0.3 if value.dim() > 1 else 0.1)
    return model.eval()


def tiny_bert(outputs: int = 2, **changes: Any) -> Any:
    """Return a Hugging Face BERT of 2 layers and 16 hidden units; ``changes`` are fields of its configuration."""
    return tiny_encoder("bert", outputs, **changes)


def tiny_encoder(model_type: str, outputs: int = 2, **changes: Any) -> Any:
    """Return a Hugging Face encoder with a classification head; see :func:`tiny_bert`."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    sizes: dict[str, Any] = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_dim" if model_type == "distilbert" else "intermediate_size": 32,
        "max_position_embeddings": POSITIONS,
        "initializer_range": 0.4,
        "num_labels": outputs,
    }
    with torch.random.fork_rng():
        torch.manual_seed(3)
        config = AutoConfig.for_model(model_type, **{**sizes, **changes})
        return AutoModelForSequenceClassification.from_config(config).eval()


def save_checkpoint(model: Any, folder: Path) -> Path:
    """Write a Hugging Face model and a tokenizer of its family, with a word for each letter, to ``folder``."""
    from transformers import BertTokenizer, MPNetTokenizer, RobertaTokenizer

    model.save_pretrained(folder)
    make = {"mpnet": MPNetTokenizer, "roberta": RobertaTokenizer}.get(model.config.model_type, BertTokenizer)
    marks = {
        MPNetTokenizer: ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"],
        RobertaTokenizer: ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        BertTokenizer: VOCABULARY[:5],
    }[make]
    vocabulary = {word: index for index, word in enumerate([*marks, *VOCABULARY[5:]])}
    made = make(vocab=vocabulary, merges=[]) if make is RobertaTokenizer else make(vocab=vocabulary)
    made.save_pretrained(folder)
    return folder
