"""Caches intermediate models of a compression, so that an interrupted search continues where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pibench.disk import Cache
from pibench.model.architecture import Architecture
from pibench.model.module import Model
from pibench.model.spent import Spent
from pibench.training.spending import add_to_count, counted


def cached_model(cache: Cache, name: str, key: Any, dense: Model, make: Callable[[], Model]) -> Model:
    """Return the model of ``make``, made once for each ``name`` and ``key``, with the embeddings of ``dense``.

    What ``make`` spent on training is counted whether the model is made or found in the cache.
    """

    def state() -> dict[str, Any]:
        with counted() as count:
            made = make()
        return {
            "architecture": made.architecture.spec(),
            "layers": made.layers.state_dict(),
            "head": made.head.state_dict(),
            "spent": asdict(made.spent),
            "total": asdict(count.total),
        }

    kept = cache.cached(name, key, state)
    model = dense.rebuilt(Architecture.from_spec(kept["architecture"]))
    model.layers.load_state_dict(kept["layers"])
    model.head.load_state_dict(kept["head"])
    model.spent = Spent(**kept["spent"])
    add_to_count(Spent(**kept["total"]))
    return model.eval()
