"""Write files atomically, and cache results that took long to compute."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch

from pibench.errors import InputError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` atomically at the end; safe for several runs at once.

    Raises:
        InputError: nothing can be written there.
    """
    temporary = path.parent / f"{os.getpid()}-{secrets.token_hex(4)}.writing"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"cannot write {path} ({reason}): free some space or choose another folder") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def save(value: Any, path: Path) -> None:
    """Write tensors, numbers, texts, and lists and dicts of them, in a form that ``torch.load`` reads as weights only.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_write(path) as temporary:
        torch.save(value, temporary)


def save_text(text: str, path: Path) -> None:
    """Write a text as UTF-8, with its line ends unchanged.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def load(path: Path) -> Any:
    """Return what :func:`save` wrote to ``path``; no pickled code is run.

    Raises:
        InputError: the file is damaged, or holds something else.
    """
    try:
        return torch.load(path, weights_only=True)
    except Exception as error:  # torch raises its own errors and those of zip and pickle
        raise InputError(f"{path} is damaged or is not a checkpoint of this suite: delete it and run again") from error


class Cache:
    """A cache in a folder: each value is kept under a hash of everything that it depends on.

    Without a ``folder`` nothing is kept. Without ``reuse`` values kept by earlier runs are computed again, once. A
    computation that failed is not tried again; it raises the same error. ``about`` (JSON types) is part of every key:
    what all values depend on, such as a fingerprint of the code that computes them.
    """

    def __init__(self, folder: Path | None = None, reuse: bool = True, about: Any = None) -> None:
        self._folder, self._reuse, self._about = folder, reuse, about
        self._made: set[Path] = set()
        self._failures: dict[Path, Exception] = {}

    def cached(self, name: str, key: Any, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what ``make`` returns, computed once for each ``name`` and ``key`` (JSON types).

        A value is a dict of tensors, numbers, texts, lists and dicts of them; the file's name begins with ``name``.
        """
        if self._folder is None:
            return make()
        digest = hashlib.sha256(json.dumps([self._about, key], sort_keys=True).encode()).hexdigest()[:16]
        path = self._folder / f"{quote(name, safe='')}--{digest}.pt"
        if path in self._failures:
            raise self._failures[path]
        if path not in self._made and not (self._reuse and path.exists()):
            try:
                save(make(), path)
            except Exception as error:
                self._failures[path] = error
                raise
            self._made.add(path)
        return load(path)
