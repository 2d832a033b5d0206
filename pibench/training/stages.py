"""Caches intermediate models of a compression, so that an interrupted search continues where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pibench.disk import Cache
from pibench.model.architecture import Architecture
from pibench.model.module import Model


def cached_model(cache: Cache, name: str, key: Any, dense: Model, make: Callable[[], Model]) -> Model:
    """Return the model of ``make``, made once for each ``name`` and ``key``, with the embeddings of ``dense``."""

    def state() -> dict[str, Any]:
        made = make()
        return {
            "architecture": made.architecture.spec(),
            "layers": made.layers.state_dict(),
            "head": made.head.state_dict(),
        }

    kept = cache.cached(name, key, state)
    model = dense.rebuilt(Architecture.from_spec(kept["architecture"]))
    model.layers.load_state_dict(kept["layers"])
    model.head.load_state_dict(kept["head"])
    return model.eval()
