"""What trained models depend on besides their data and their backbone: the code, as a fingerprint of its content.

A path or a version can stay the same while what it names has changed; a fingerprint cannot.
"""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import Any

from pibench import CHECKOUT

_TRAINING = tuple(CHECKOUT / "pibench" / room for room in ("tasks", "model", "training"))
_COMPRESSION = (*_TRAINING, *(CHECKOUT / room for room in ("pibench/methods", "ig3d", "baselines")))


def training_code() -> str:
    """Return the fingerprint of the code that trains a dense model."""
    return source_fingerprint(*_TRAINING)


def compression_code(method: Any) -> str:
    """Return the fingerprint of the code that compresses a model: the suite's own, and all of the method's package."""
    package = sys.modules[type(method).__module__.partition(".")[0]]
    own = [Path(folder) for folder in getattr(package, "__path__", ())] or [Path(str(package.__file__))]
    return source_fingerprint(*dict.fromkeys((*_COMPRESSION, *own)))


@cache
def source_fingerprint(*places: Path) -> str:
    """Return sixteen hex digits of a SHA-256 over Python files and over all of those in folders, as they are now."""
    digest = hashlib.sha256()
    for place in places:
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            content = path.read_bytes()
            digest.update(f"{place.name}/{path.relative_to(place)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]
