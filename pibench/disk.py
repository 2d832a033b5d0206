"""Write what took long to a file, whole or not at all."""

from __future__ import annotations

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
