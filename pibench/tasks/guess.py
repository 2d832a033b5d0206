"""A first description of data of one's own, guessed from a file."""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pibench.errors import InputError, pick
from pibench.tasks.files import READERS, read
from pibench.tasks.own import in_sorted_order, label_texts

_LABELS = ("label", "labels", "class", "category", "target", "sentiment", "score", "rating", "stars")
_TRAIN, _VALIDATION = ("train", "training"), ("validation", "valid", "dev", "val", "test")
_MOST_CLASSES = 50
"""Different labels up to which text counts as classes, unless the label's column is named."""
_SHARE = 0.1
_UNEVEN = 0.6
"""Share of the largest class above which accuracy alone says little."""


@dataclass(frozen=True)
class Guess:
    """The lines of a TOML file, each with a comment that says why."""

    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The TOML file."""
        return "\n".join(self.lines) + "\n"


def guess(data: Path, folder: Path, texts: Sequence[str] = (), label: str | None = None) -> Guess:
    """Guess the description of a file, or of a folder with a training and a validation file.

    Paths in the description are relative to ``folder``, which is to hold it. ``texts`` and ``label`` name columns.

    Raises:
        InputError: a file is unreadable, a named column is missing, or no column looks like a label or like text.
    """
    train, validation = _files(data)
    table = read(train)
    if len(set(table.column_names)) < len(table.column_names):
        raise InputError(f"two columns of {train} have the same name: rename or remove one")
    label = _label(table, label, train)
    columns = [pick("column", name, table.column_names) for name in texts] or _texts(table, label, train)
    name = re.sub(r"[^a-z0-9]+", "_", data.stem.lower()).strip("_") or "mine"
    return Guess(
        (
            f"name = {_quoted(name)}  # the task's name in commands, records and tables",
            'data = "own"  # what tables call the data; give it a name, such as "my reviews, 2024"',
            f"train = {_quoted(_relative(train, folder))}  # the file of examples",
            *_held_out(validation, folder),
            f"texts = {_list(columns)}  # one or two of the columns: {', '.join(table.column_names)}",
            f"label = {_quoted(label)}  # the column of labels",
            *_labels([text for text in label_texts(table[label]) if text], train),
        )
    )


def _files(data: Path) -> tuple[Path, Path | None]:
    if not data.is_dir():
        return data, None
    files = [path for path in sorted(data.iterdir()) if path.suffix.lower() in READERS]
    train = _named(files, _TRAIN) or (files if len(files) == 1 else [])
    if not train:
        raise InputError(
            f"{data} holds {len(files)} files of examples: name one of them, or call them train and validation, ending "
            f"in {', '.join(READERS)}"
        )
    return train[0], next(iter(_named(files, _VALIDATION)), None)


def _named(files: Sequence[Path], names: Sequence[str]) -> list[Path]:
    return [path for name in names for path in files if path.stem.lower() == name]


def _label(table: pa.Table, asked: str | None, where: Path) -> str:
    if asked:
        return pick("column", asked, table.column_names)
    for name in _LABELS:
        for column in table.column_names:
            if column.lower() == name:
                return column
    counts = {name: len(set(label_texts(table[name]))) for name in table.column_names}
    name = min(counts, key=lambda name: (counts[name] < 2, counts[name]))
    if not 2 <= counts[name] <= min(_MOST_CLASSES, len(table) // 2):
        raise InputError(f"no column of {where} looks like a label: name it with --label")
    return name


def _texts(table: pa.Table, label: str, where: Path) -> list[str]:
    """Return the one or two columns of several words, the two with the most if there are more."""
    words: dict[str, float] = {}
    for name in table.column_names:
        if name != label and pa.types.is_string(table[name].type):
            texts = label_texts(table[name])
            words[name] = sum(len(text.split()) for text in texts) / max(1, len(texts))
    found = sorted((name for name in words if words[name] >= 2), key=lambda name: -words[name])[:2]
    if not found:
        raise InputError(f"no column of {where} looks like text: name one or two with --texts")
    return [name for name in table.column_names if name in found]


def _held_out(validation: Path | None, folder: Path) -> list[str]:
    if validation:
        return [f"validation = {_quoted(_relative(validation, folder))}  # the file of examples that are scored"]
    why = "the share of the examples that is cut for validation; equal texts stay together"
    return [f"validation_share = {_SHARE}  # {why}", "seed = 0  # decides which examples are cut"]


def _labels(labels: Sequence[str], where: Path) -> list[str]:
    classes = in_sorted_order(labels)
    if len(classes) < 2:
        raise InputError(f"{where} has fewer than two different labels: use a file with more than one class")
    numbers = _numbers(classes)
    if numbers and (len(classes) > _MOST_CLASSES or any(not number.is_integer() for number in numbers)):
        return [
            f"scores = [{math.floor(min(numbers))}, {math.ceil(max(numbers))}]"
            f"  # the lowest and the highest possible score; the file has {min(numbers):g} to {max(numbers):g}",
            'metrics = ["pearsonr", "spearmanr"]  # the usual ones for scores; r_squared is another',
        ]
    if len(classes) > _MOST_CLASSES:
        named = f"classes = {len(classes)}  # the labels in sorted order, from class 0 on"
    else:
        named = f"classes = {_list(classes)}  # the labels as the file has them, from class 0 on"
    if numbers:
        named += f"; if they are grades, write scores = [{min(numbers):g}, {max(numbers):g}] and the metric pearsonr"
    share = Counter(labels).most_common(1)[0][1] / len(labels)
    metrics = '["accuracy", "f1"]' if share > _UNEVEN else '["accuracy"]'
    others = "more: f1, precision, recall, matthews_correlation"
    return [
        named,
        f"metrics = {metrics}  # the largest class has {share:.0%} of the examples; {others}",
    ]


def _numbers(texts: Sequence[str]) -> list[float]:
    """Return the numbers that the texts are, none unless all are finite."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"
