"""A task from a TOML file that describes data of one's own (see docs/own-data.md)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from pibench.errors import InputError, pick
from pibench.plugins import LONGEST_NAME, NAME
from pibench.tasks.metrics import short_name
from pibench.tasks.task import OWN, Hub, Own, Task

_TEXT = {"type": "string", "minLength": 1}
_LABEL = {"anyOf": [_TEXT, {"type": "integer"}]}
_KEYS: dict[str, dict[str, Any]] = {
    "name": {"type": "string", "maxLength": LONGEST_NAME, "pattern": f"^{NAME.pattern}$"},
    "data": {"type": "string", "maxLength": LONGEST_NAME, "pattern": r"^[A-Za-z0-9][\w .,+()-]*$"},
    "hub": {"type": "string", "pattern": r"^[\w.-]+/[\w.-]+$"},
    "config": _TEXT,
    "revision": _TEXT,
    "train": _TEXT,
    "validation": _TEXT,
    "validation_share": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
    "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    "texts": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 2, "uniqueItems": True},
    "label": _TEXT,
    "classes": {"anyOf": [{"type": "integer", "minimum": 2}, {"type": "array", "items": _LABEL, "minItems": 2}]},
    "scores": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    "metrics": {"type": "array", "items": _TEXT, "minItems": 1, "uniqueItems": True},
}
"""The keys of a description, each with the JSON schema of its value."""
_NEEDED = ("name", "train", "texts", "label", "metrics")
_EITHER = (("classes", "scores"), ("validation", "validation_share"))
_OF_HUB = ("config", "revision")
_TAKEN = ("glue", "sample")
"""Names of data that is not one's own."""


def describe(path: Path) -> Task:
    """Return the task that a TOML file describes; its data is not read.

    Raises:
        InputError: the file is missing, no TOML, or has an unknown, missing or invalid key.
    """
    given = _parsed(path)
    _check(given, path)
    classes, scores, hub = given.get("classes"), given.get("scores"), given.get("hub")
    names = tuple(map(str, classes)) if isinstance(classes, list) else ()
    if len(set(names)) < len(names) or (scores and scores[0] >= scores[1]):
        raise InputError(f"{path}: {'two classes are equal' if names else 'the lowest of scores must come first'}")
    regression = classes is None
    try:
        metrics = tuple(dict.fromkeys(short_name(name, regression) for name in given["metrics"]))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return Task(
        name=given["name"],
        columns=tuple(given["texts"]),
        outputs=1 if classes is None else len(names) or classes,
        metrics=metrics,
        suite=given.get("data") or (hub or OWN).split("/")[-1],
        hub=Hub(hub, given.get("config", "default"), given.get("revision", "main")) if hub else None,
        label=given["label"],
        classes=names,
        scores=(float(scores[0]), float(scores[1])) if scores else Task.scores,
        own=_own(given, path),
    )


def _own(given: dict[str, Any], path: Path) -> Own:
    def place(split: str) -> str:
        return split if "hub" in given else str(path.parent / split)

    validation = place(given["validation"]) if "validation" in given else None
    return Own(path, place(given["train"]), validation, given.get("validation_share", 0.0), given.get("seed", 0))


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: pibench task new writes one for a file of examples") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} is not readable as TOML: {error}") from error


def _check(given: dict[str, Any], path: Path) -> None:
    """Raise if a key is unknown, missing, invalid, or does not go with another."""
    for key in given:
        pick(f"key (in {path})", key, _KEYS)
    for error in Draft202012Validator({"properties": _KEYS}).iter_errors(given):
        raise InputError(f"{path}: {error.absolute_path[0]} is not valid, see docs/own-data.md: {error.message}")
    for key in _NEEDED:
        if key not in given:
            raise InputError(f"{path} lacks the key {key!r}: add it, see docs/own-data.md")
    for one, other in _EITHER:
        if (one in given) == (other in given):
            raise InputError(f"{path} needs either {one} or {other}, and not both: see docs/own-data.md")
    if given["label"] in given["texts"]:
        raise InputError(f"{path}: column {given['label']!r} is both a text and the label: name different ones")
    if "hub" not in given and (alone := [key for key in _OF_HUB if key in given]):
        raise InputError(f"{path}: {alone[0]} needs hub, the data set's id")
    if given.get("data", "").lower() in _TAKEN:
        raise InputError(f"{path}: data {given['data']!r} is the name of other data: choose another")
