"""Compressed models on disk, in the layout of transformers: a folder with config.json and safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from pibench.disk import atomic_write, save_text
from pibench.errors import InputError, one_line
from pibench.model.architecture import Architecture
from pibench.model.forward import Output
from pibench.model.module import DecoderEmbeddings, Embeddings, Model

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_KIND = "pibench"


class PrivateModel(torch.nn.Module):
    """A model that is ready for private inference, with the interface of transformers' models.

    ``about`` is stored in config.json: backbone, task, method, and other facts, as JSON types.
    """

    def __init__(self, model: Model, about: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.model, self.about = model, about or {}

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> Output:
        """Run in floats on ids, 0/1 mask and segments, each (batch, seq); ``.logits`` are (batch, outputs).

        Raises:
            InputError: the text is longer than the position table, or an id is not in the vocabulary.
        """
        segments = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        self._refuse_unknown(input_ids, segments)
        keep = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return self.model(input_ids, segments, keep)

    def _refuse_unknown(self, input_ids: torch.Tensor, segments: torch.Tensor) -> None:
        tables = self.model.embeddings
        if input_ids.shape[-1] > (longest := tables.position.num_embeddings):
            raise InputError(f"the text has {input_ids.shape[-1]} tokens, but this model takes at most {longest}")
        indexed = [("token", input_ids, tables.word)]
        if isinstance(tables, Embeddings) and tables.segment is not None:
            indexed.append(("segment", segments, tables.segment))
        for kind, ids, table in indexed:
            unknown = ids[(ids < 0) | (ids >= table.num_embeddings)]
            if len(unknown):
                raise InputError(
                    f"{kind} id {int(unknown[0])} is not among this model's 0 to {table.num_embeddings - 1}"
                )

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model to a folder; raises :class:`InputError` if it cannot be written."""
        from safetensors.torch import save

        spec = self.model.architecture.spec()
        config = {"model_type": _KIND, "architecture": spec, "about": self.about}
        state = {name: value.detach().clone().contiguous() for name, value in self.model.state_dict().items()}
        with atomic_write(Path(folder) / _WEIGHTS) as temporary:
            temporary.write_bytes(save(state))
        save_text(json.dumps(config, indent=1) + "\n", Path(folder) / _CONFIG)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> PrivateModel:
        """Return the model that :meth:`save_pretrained` wrote.

        Raises:
            InputError: the folder holds something else.
        """
        from safetensors.torch import load_file

        try:
            config = json.loads((Path(folder) / _CONFIG).read_text(encoding="utf-8"))
            if config["model_type"] != _KIND:
                raise InputError(f"{folder} holds a {config['model_type']}, not a model of this suite")
            state = load_file(Path(folder) / _WEIGHTS)
            model = _empty(Architecture.from_spec(config["architecture"]), state)
            model.load_state_dict(state)
        except InputError:
            raise
        except Exception as error:  # safetensors, JSON and torch raise their own errors
            raise InputError(f"{folder} is not a model of this suite ({one_line(error, 200)})") from error
        return cls(model.eval(), config.get("about"))


def refuse_other_files(folder: Path) -> None:
    """Refuse a folder in which :meth:`PrivateModel.save_pretrained` would replace files of another origin.

    Raises:
        InputError: the folder cannot be read, or holds files but no model of this suite.
    """
    try:
        is_empty = not folder.is_dir() or not any(folder.iterdir())
    except OSError as error:
        raise InputError(f"cannot read the folder {folder} ({error.strerror}): choose another one") from error
    if not is_empty and not _is_ours(folder):
        raise InputError(f"{folder} is not empty and holds no model of this suite: choose another folder")


def _is_ours(folder: Path) -> bool:
    try:
        return json.loads((folder / _CONFIG).read_text(encoding="utf-8"))["model_type"] == _KIND
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def _empty(architecture: Architecture, state: dict[str, torch.Tensor]) -> Model:
    """Return a model whose embeddings have the sizes in ``state``."""
    words, width = state["embeddings.word.weight"].shape
    positions, hidden = len(state["embeddings.position.weight"]), architecture.hidden_size
    if architecture.family == "decoder":
        return Model(architecture, DecoderEmbeddings(words, positions, hidden))
    segments = len(state.get("embeddings.segment.weight", ()))
    size = width if "embeddings.projection.weight" in state else None
    return Model(architecture, Embeddings(words, positions, segments, hidden, architecture.norm_eps, size))
