"""Keep what takes long on disk, so that a search that was cut goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pibench.disk import save


def remember(path: Path | None, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``make`` returns, made once for each ``path``: tensors, numbers, texts, lists and dicts of them."""
    if path is not None and path.exists():
        return torch.load(path, weights_only=True)
    made = make()
    if path is not None:
        save(made, path)
    return made
