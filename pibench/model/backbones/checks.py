"""What must hold of a checkpoint before anything is computed with it: possible shapes, and a tokenizer that fits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "intermediate_size",
    "embedding_size",
    "hidden_dim",
)
_MISSING = {
    "albert": "layers that share their weights",
    "big_bird": "sparse attention",
    "convbert": "convolutions",
    "deberta": "disentangled attention",
    "deberta-v2": "disentangled attention",
    "longformer": "sparse attention",
    "mobilebert": "bottlenecks around its layers",
    "modernbert": "rotary positions",
    "nomic_bert": "rotary positions",
    "roformer": "rotary positions",
    "squeezebert": "convolutions",
    "xlnet": "attention in two streams",
}
"""What our models lack that some known families need."""
_MARKS = {"pad": "[PAD]", "cls": "[CLS]", "sep": "[SEP]"}


def unknown(model_type: str, known: Iterable[str]) -> str:
    """Return what a family without an adapter needs, as the end of a sentence."""
    missing = _MISSING.get(model_type, "an adapter of its own")
    return f"is a {model_type} model, which needs {missing}; supported are {', '.join(known)}"


def impossible(config: Any) -> str | None:
    """Return why no model has the shapes of a transformers configuration, as the end of a sentence; None if one can."""
    for name in _SIZES:
        size = getattr(config, name, 1)
        if size is not None and not (isinstance(size, int) and size > 0):
            return f"has {name} {size!r} in its config.json; it must be a positive whole number"
    if config.hidden_size % config.num_attention_heads:
        return f"has hidden size {config.hidden_size}, which {config.num_attention_heads} heads do not divide"
    if pruned := getattr(config, "pruned_heads", None):
        return f"has pruned heads ({pruned}); only checkpoints with all of their heads are supported"
    return None


def unfit(tokenizer: Any, words: int) -> str | None:
    """Return why a tokenizer does not fit an encoder of ``words`` word embeddings, as the end of a sentence.

    The encoder reads its answer at the first token, so a text must begin with [CLS], and two texts must be separated.
    """
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        return "has no vocabulary: add its tokenizer files"
    for name, mark in _MARKS.items():
        if getattr(tokenizer, f"{name}_token_id") is None:
            return f"has a tokenizer without a {mark} token: repair its tokenizer files"
    if (largest := max(tokenizer.get_vocab().values())) >= words:
        return f"has a tokenizer with ids up to {largest}, but embeds only {words} words: use the model's own tokenizer"
    single, pair = tokenizer("a")["input_ids"], tokenizer("a", "a")["input_ids"]
    begins = single[:1] == pair[:1] == [tokenizer.cls_token_id]
    if not begins or tokenizer.sep_token_id not in pair[1:-1]:
        return "has a tokenizer that does not put [CLS] before a text and [SEP] between two: repair its tokenizer files"
    return None
