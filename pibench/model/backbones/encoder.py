"""What the families of encoders have in common: their weights under our names, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch

from pibench.model.architecture import Architecture, Layer
from pibench.model.backbones.adapter import ACTIVATIONS, Adapter, State
from pibench.model.module import Embeddings

KINDS = ("weight", "bias")
POSITIONS = "embeddings.position.weight"

BERT_OUTER = {
    "embeddings.word": "embeddings.word_embeddings",
    "embeddings.position": "embeddings.position_embeddings",
    "embeddings.segment": "embeddings.token_type_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
    "head.pooler": "pooler.dense",
}
BERT_LAYER = {
    "qkv": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "output": ("attention.output.dense",),
    "attention_norm": ("attention.output.LayerNorm",),
    "ffn_in": ("intermediate.dense",),
    "ffn_out": ("output.dense",),
    "ffn_norm": ("output.LayerNorm",),
}


class Encoder(Adapter):
    """Encoders that normalise after each sublayer, whose modules have other names in each family.

    The default names are BERT's. Position embeddings before the first position that a text has (:meth:`first_position`)
    are left out: our position ids count from the first token, which gives kept tokens the same embeddings as
    transformers' ids do if padding is on the right.
    """

    family = "encoder"
    optional = ("pooler.",)
    outer: ClassVar[Mapping[str, str]] = BERT_OUTER
    """Our name of each module outside the layers, and theirs."""
    layers: ClassVar[str] = "encoder.layer"
    layer: ClassVar[Mapping[str, tuple[str, ...]]] = BERT_LAYER
    """Our name of each module of a layer, and theirs, whose outputs are joined."""

    def problem(self, config: Any) -> str | None:
        if (activation := self.activation(config)) not in ACTIVATIONS:
            return f"uses the activation {activation!r}; only {', '.join(ACTIVATIONS)} are supported"
        if getattr(config, "is_decoder", False):
            return "is a decoder; only encoders are supported"
        if getattr(config, "position_embedding_type", "absolute") != "absolute":
            return "has relative positions; only absolute ones are supported"
        if self.positions(config) < 1:
            return f"has max_position_embeddings {config.max_position_embeddings}, which leaves no position for a token"
        return None

    def activation(self, config: Any) -> Any:
        """Return transformers' name of the activation."""
        return config.hidden_act

    def inner_size(self, config: Any) -> int:
        """Return the size between the two matrices of a feed-forward network."""
        return config.intermediate_size

    def norm_eps(self, config: Any) -> float:
        """Return what LayerNorm adds to the variance."""
        return config.layer_norm_eps

    def embedding_size(self, config: Any) -> int:
        """Return the size of the embeddings, which is the hidden size unless they are projected to it."""
        return config.hidden_size

    def first_position(self, config: Any) -> int:
        """Return the position id of a text's first token."""
        return 0

    def positions(self, config: Any) -> int:
        return config.max_position_embeddings - self.first_position(config)

    def token_types(self, config: Any) -> int:
        return config.type_vocab_size if "embeddings.segment" in self.outer else 0

    def architecture(self, config: Any, outputs: int) -> Architecture:
        layer = Layer(
            heads=config.num_attention_heads,
            head_size=config.hidden_size // config.num_attention_heads,
            ffn_size=self.inner_size(config),
            activation=ACTIVATIONS[self.activation(config)],
        )
        return Architecture(config.hidden_size, (layer,) * config.num_hidden_layers, outputs, self.norm_eps(config))

    def embeddings(self, config: Any) -> Embeddings:
        size = self.embedding_size(config)
        return Embeddings(
            config.vocab_size,
            self.positions(config),
            self.token_types(config),
            config.hidden_size,
            self.norm_eps(config),
            None if size == config.hidden_size else size,
        )

    def weights(self, state: State, config: Any) -> dict[str, torch.Tensor]:
        ours = {
            name: torch.cat([state[their] for their in theirs])
            for name, theirs in self._names(config)
            if theirs[0] in state
        }
        return ours | {POSITIONS: ours[POSITIONS][self.first_position(config) :]}

    def export(self, state: State, pretrained: Any) -> Any:
        """Return a model ``...ForSequenceClassification`` of transformers."""
        from transformers import AutoModelForSequenceClassification

        outputs = len(state["head.classifier_bias"])
        config = type(pretrained.config)(**(pretrained.config.to_dict() | {"num_labels": outputs}))
        model = AutoModelForSequenceClassification.from_config(config)
        theirs = dict(pretrained.state_dict())
        table = theirs[f"{self.outer['embeddings.position']}.weight"]
        whole = dict(state) | {POSITIONS: torch.cat([table[: self.first_position(config)], state[POSITIONS]])}
        for name, places in self._names(config):
            if name in whole:
                theirs |= zip(places, whole[name].chunk(len(places)), strict=True)
        base = model.base_model
        base.load_state_dict({name: theirs[name] for name in base.state_dict()})
        model.load_state_dict(model.state_dict() | {name: state[ours] for ours, name in self.head_names()})
        return model

    def _names(self, config: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield our name of each weight, and those of transformers' base model whose rows it joins."""
        for ours, theirs in self.outer.items():
            joint = "_" if ours.startswith("head.") else "."
            table = ours in ("embeddings.word", "embeddings.position", "embeddings.segment")
            for kind in KINDS[:1] if table else KINDS:
                yield f"{ours}{joint}{kind}", (f"{theirs}.{kind}",)
        for index in range(config.num_hidden_layers):
            for ours, modules in self.layer.items():
                for kind in KINDS:
                    names = tuple(f"{self.layers}.{index}.{module}.{kind}" for module in modules)
                    yield f"layers.{index}.{ours}_{kind}", names
