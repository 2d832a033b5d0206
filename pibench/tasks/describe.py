"""A task from a TOML file that describes data of one's own (see docs/own-data.md)."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from pibench.errors import InputError, pick
from pibench.plugins import LONGEST_NAME, NAME
from pibench.tasks.metrics import short_name
from pibench.tasks.task import OWN, Hub, Own, Task

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1, "description": "a text"}
_KEYS: dict[str, dict[str, Any]] = {
    "name": {
        "type": "string",
        "maxLength": LONGEST_NAME,
        "pattern": f"^{NAME.pattern}$",
        "description": f"at most {LONGEST_NAME} letters, digits and ._+-, a letter or digit first",
    },
    "data": {
        "type": "string",
        "maxLength": LONGEST_NAME,
        "pattern": r"^[A-Za-z0-9][\w .,+()-]*$",
        "description": f"at most {LONGEST_NAME} letters, digits, spaces and .,+()_-, a letter or digit first",
    },
    "hub": {"type": "string", "pattern": r"^[\w.-]+/[\w.-]+$", "description": "the id of a data set, OWNER/NAME"},
    "config": _TEXT,
    "revision": _TEXT,
    "train": _TEXT,
    "validation": _TEXT,
    "validation_share": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 0.5,
        "description": "a number above 0, at most 0.5",
    },
    "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1, "description": "an integer from 0 on"},
    "texts": {
        "type": "array",
        "items": _TEXT,
        "minItems": 1,
        "maxItems": 2,
        "uniqueItems": True,
        "description": "a list of one or two different columns",
    },
    "label": _TEXT,
    "classes": {
        "anyOf": [
            {"type": "integer", "minimum": 2},
            {"type": "array", "items": _TEXT, "minItems": 2, "uniqueItems": True},
            {"type": "array", "items": {"type": "integer"}, "minItems": 2, "uniqueItems": True},
        ],
        "description": "a list of two or more different texts or integers, or the number of classes",
    },
    "scores": {
        "type": "array",
        "items": {"type": "number"},
        "minItems": 2,
        "maxItems": 2,
        "description": "the lowest and the highest score, such as [0, 5]",
    },
    "metrics": {"type": "array", "items": _TEXT, "minItems": 1, "description": "a list of one or more metrics"},
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
        suite=_data(given),
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
    for key, value in given.items():
        if not Draft202012Validator(_KEYS[key]).is_valid(value):
            raise InputError(f"{path}: {key} must be {_KEYS[key]['description']}, and is {value!r}")
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
    if "validation" in given and Path(given["train"]) == Path(given["validation"]):
        raise InputError(f"{path}: train and validation are the same: name two, or use validation_share")
    low, high = given.get("scores", (0, 1))
    if not 0 < high - low < math.inf:
        raise InputError(f"{path}: scores must be {_KEYS['scores']['description']}, and is {given['scores']!r}")
    if _data(given).lower() in _TAKEN:
        raise InputError(f"{path}: data {_data(given)!r} is the name of other data: choose another with the key data")


def _data(given: dict[str, Any]) -> str:
    """Return what records call the data."""
    return given.get("data") or given.get("hub", OWN).split("/")[-1]
