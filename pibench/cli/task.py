"""``pibench task``: describe data of one's own, and check the description."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

import numpy as np

from pibench.arguments import path
from pibench.cli.run import nothing_more
from pibench.disk import save_text
from pibench.errors import InputError
from pibench.tasks.guess import guess
from pibench.tasks.own import load_own
from pibench.tasks.registry import TASKS, task_name
from pibench.tasks.task import Examples, RawTask

_SHOWN = 10
"""Classes whose counts are shown, the most frequent ones."""


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    task = commands.add_parser(
        "task",
        help="make a task of your own data",
        description="See docs/own-data.md. The other commands take the TOML file as a task: --tasks reviews.toml.",
    )
    actions = task.add_subparsers(required=True, metavar="ACTION", dest="action")
    new = actions.add_parser(
        "new", help="look at a file or folder of examples, and write a TOML file that describes it"
    )
    new.add_argument(
        "data", type=path, help="CSV, TSV, JSON lines or parquet file, or folder with train and validation"
    )
    new.add_argument("--texts", default="", metavar="COLUMNS", help="one or two text columns, comma-separated")
    new.add_argument("--label", metavar="COLUMN", help="column of labels")
    new.add_argument("--output", type=path, metavar="FILE", help="TOML file to write (default: beside the data)")
    new.set_defaults(run=_new)
    check = actions.add_parser("check", help="load the data that a TOML file describes, and say what was found")
    check.add_argument("file", type=path, help="TOML file")
    check.set_defaults(run=_check)


def _new(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    data = chosen.data if chosen.data.name not in ("", "..") else chosen.data.resolve()
    path = chosen.output or data.with_suffix(".toml")
    if path.exists():
        raise InputError(f"{path} exists already: remove it, or name another file with --output")
    texts = [name.strip() for name in chosen.texts.split(",") if name.strip()]
    text = guess(data, path.parent, texts, chosen.label).text
    save_text(text, path)
    print(f"{text}\nwritten to {path}: correct what is wrong, then run pibench task check {path}")
    return 0


def _check(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    task = TASKS[task_name(str(chosen.file))]
    if task.own is None:
        raise InputError(f"{chosen.file} is no TOML file: name one that describes a task")
    for line in found(load_own(task, task.own)):
        print(line)
    return 0


def found(raw: RawTask) -> list[str]:
    """Return what was found in the data of a task, in a few lines."""
    task, low_high = raw.task, "{:g} to {:g}".format(*raw.task.scores)
    kind = f"scores from {low_high}" if task.regression else f"{task.outputs} classes"
    return [
        f"task {task.name}: {kind}; score: mean of {', '.join(task.metrics)}; tables call the data {raw.source!r}",
        f"training: {len(raw.train)} examples; {_labels(raw, raw.train)}",
        f"validation: {len(raw.validation)} examples; {_labels(raw, raw.validation)}",
        f"words in an example: {_words(raw)}",
        *(raw.notes or ["nothing else to note"]),
    ]


def _labels(raw: RawTask, examples: Examples) -> str:
    if raw.task.regression:
        low, middle, high = np.quantile(examples.labels, [0, 0.5, 1])
        return f"scores {low:g} to {high:g}, median {middle:g}"
    counts = Counter(examples.labels).most_common()
    shown = [f"{raw.task.class_name(label)} {count}" for label, count in counts[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(counts) - _SHOWN} more classes" if len(counts) > _SHOWN else "")


def _words(raw: RawTask) -> str:
    counts = [sum(len(text.split()) for text in texts) for texts in raw.train.texts + raw.validation.texts]
    middle, most, longest = np.quantile(counts, [0.5, 0.95, 1])
    return f"median {middle:.0f}, 95 % up to {most:.0f}, longest {longest:.0f}; a word has one token or more"
