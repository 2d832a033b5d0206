"""Write what took long to a file, whole or not at all, and take it from there the next time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pibench.errors import InputError


def save(value: Any, path: Path) -> None:
    """Write tensors, numbers, texts, lists and dicts of them, so that ``torch.load`` reads them as weights only.

    Raises:
        InputError: the file cannot be written.
    """
    temporary = path.with_suffix(".writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(value, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        raise InputError(f"cannot write {path}: {error}; free some space or change the rights") from error


def load(path: Path) -> Any:
    """Return what :func:`save` wrote to ``path``; no pickled code is run.

    Raises:
        InputError: the file is damaged, or holds something else.
    """
    try:
        return torch.load(path, weights_only=True)
    except Exception as error:  # torch lets through errors of zip, pickle and its own
        raise InputError(f"{path} is damaged or no checkpoint of this suite: delete it and run again") from error


def remember(path: Path | None, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``make`` returns, made once for each ``path``: tensors, numbers, texts, lists and dicts of them."""
    if path is not None and path.exists():
        return load(path)
    made = make()
    if path is not None:
        save(made, path)
    return made
