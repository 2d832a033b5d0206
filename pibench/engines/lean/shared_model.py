"""A model that the parties share: which party gets which weights, and how they are kept between inferences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pibench.engines.lean.fold import fold
from pibench.engines.lean.switches import Switches
from pibench.model.architecture import Architecture
from pibench.model.module import blank
from pibench.model.parameters import Parameter, Weights

State = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class SharedModel:
    """A model whose weights the parties share."""

    architecture: Architecture
    switches: Switches
    weights: Weights

    def fresh_weights(self) -> Weights:
        """Return the weights at the start of an inference: under the session's masks, or not opened."""
        if self.switches.weight_masks:
            return self.weights
        return self.weights.map(lambda parameter, value: value if parameter.public else value.closed())


def share_model(
    architecture: Architecture, switches: Switches, state: State, share: Callable[[Parameter, torch.Tensor], Any]
) -> SharedModel:
    """Share a model's weights with ``share``; the other party's, which ``state`` lacks, are zeros."""
    weights = weights_of(architecture, state)
    if switches.folded_weights:
        weights = fold(weights, architecture)
    return SharedModel(architecture, switches, weights.map(share))


def weights_of(architecture: Architecture, state: State) -> Weights:
    """Return the weights behind the embeddings; those that ``state`` lacks are zeros."""
    model = blank(architecture)
    zeros = {name: np.zeros(value.shape, np.float32) for name, value in model.state_dict().items()}
    values = {name: torch.from_numpy(value) for name, value in (zeros | dict(state)).items()}
    model.load_state_dict(values, assign=True)
    return model.weights().map(lambda _, value: value.detach())


def check_state(architecture: Architecture, state: State) -> None:
    """Check that the parameters are exactly those that the server needs.

    Raises:
        ValueError: a parameter is missing, or one is not declared.
    """
    wanted = {name for name in blank(architecture).state_dict() if is_served(architecture, name)}
    if strange := sorted(state.keys() ^ wanted):
        raise ValueError(f"the parameter {strange[0]!r} is {'not declared' if strange[0] in state else 'missing'}")


def is_served(architecture: Architecture, name: str) -> bool:
    """Say whether the server needs a weight: all but the embeddings, and of those a decoder's vocabulary."""
    tied = architecture.family == "decoder" and name == "embeddings.word.weight"
    return tied or not name.startswith("embeddings.")
