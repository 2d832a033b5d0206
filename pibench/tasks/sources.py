"""Where a task's tables come from: a folder of parquet files, or the Hugging Face hub; and what is in a valid one."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pibench.errors import InputError
from pibench.tasks.files import read
from pibench.tasks.task import Hub, Task

LONGEST_TEXT = 1_000_000
"""Characters of a text; longer ones are taken for a damaged file."""
_TEXT = {"string", "large_string", "string_view"}

Tables = dict[str, pa.Table]
"""The train table, then any validation table, each keyed by a description of its origin for error messages."""


class HubUnavailable(InputError):
    """The hub gave no data: it is out of reach, or ``datasets`` is not installed."""


def folder(task: Task, root: Path) -> Tables:
    """Read both splits of ``task`` from ``root``.

    Raises:
        InputError: the folder or a file is missing or unreadable.
    """
    if not root.is_dir():
        raise InputError(f"folder {root} does not exist: name an existing folder.")
    paths = [root / task.name / f"{split}.parquet" for split in ("train", task.validation)]
    for path in paths:
        if not path.is_file():
            origin = f" from {task.hub.dataset}" if task.hub else ""
            raise InputError(f"{path} is missing: put the parquet file of {task.name}{origin} there.")
    return {str(path): read(path) for path in paths}


def reachable(hub: Hub, seconds: float = 4.0) -> bool:
    """Whether the hub serves a data set within ``seconds``; False in the offline modes of Hugging Face."""
    if any(
        os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"}
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
    ):
        return False
    from huggingface_hub import constants, get_session

    url = f"{constants.ENDPOINT}/datasets/{hub.dataset}/resolve/{hub.revision}/README.md"
    answered = threading.Event()

    def probe() -> None:
        with suppress(Exception):  # any failure means that the hub is out of reach
            if not get_session().head(url, timeout=seconds).is_error:
                answered.set()

    # A thread, because the client's time limits do not cover the name lookup.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()


def hub(task: Task, splits: Sequence[str]) -> Tables:
    """Fetch the named splits of ``task`` at its revision, from the cache of ``datasets`` where offline.

    Raises:
        HubUnavailable: the data cannot be fetched, for any reason.
    """
    if task.hub is None:
        raise HubUnavailable(f"task {task.name!r} is not on the hub: name a folder with PIBENCH_GLUE_DIR.")
    place, online = task.hub, reachable(task.hub)
    try:
        found = _download(place) if online else _cached(place)
        if lacking := [split for split in splits if split not in found]:
            raise InputError(f"{place.dataset} {place.config} has no split {lacking[0]!r}: it has {', '.join(found)}")
        return {f"{place.dataset} {place.config}/{split}": found[split].with_format("arrow")[:] for split in splits}
    except InputError:
        raise
    except ImportError as error:
        raise HubUnavailable("the hub needs the package datasets: pip install 'pibench[hub]'.") from error
    except Exception as error:  # datasets raises errors of many libraries
        reason = f"failed ({type(error).__name__})" if online else "is out of reach and not in the cache"
        advice = "" if task.own else ", or name a folder with PIBENCH_GLUE_DIR"
        raise HubUnavailable(f"{place.dataset} on the Hugging Face hub {reason}: connect{advice}.") from error


def _download(hub: Hub) -> Any:
    from datasets import load_dataset

    return load_dataset(hub.dataset, hub.config, revision=hub.revision)


def _cached(hub: Hub) -> Any:
    """Read exactly that revision; ``load_dataset`` would retry for a long time, and then accept any revision."""
    from datasets.packaged_modules.cache.cache import Cache

    owner_and_name = {"repo_id": hub.dataset, "dataset_name": hub.dataset.split("/")[1]}
    return Cache(**owner_and_name, config_name=hub.config, version="0.0.0", hash=hub.revision).as_dataset()


def rows(
    task: Task, table: pa.Table, where: str
) -> tuple[tuple[tuple[str, ...], ...], tuple[int, ...] | tuple[float, ...]]:
    """Return the texts and labels of ``table``.

    Raises:
        InputError: they are invalid; the message calls the table ``where``.
    """
    for name in (*task.columns, task.label):
        if name not in table.column_names:
            raise InputError(f"{where} lacks the column {name!r}: it has {', '.join(table.column_names)}.")
        if table.column_names.count(name) > 1:
            raise InputError(f"{where} has more than one column {name!r}: rename or remove the others.")
    if not table.num_rows:
        raise InputError(f"{where} is empty: use a split with examples.")
    texts = tuple(zip(*(_texts(table[name], name, where) for name in task.columns), strict=True))
    return texts, _labels(task, table[task.label], where)


def _texts(column: pa.ChunkedArray, name: str, where: str) -> list[str]:
    column = _decoded(column)
    if str(column.type) not in _TEXT:
        raise InputError(f"column {name!r} of {where} holds {column.type}, not text: export it as strings.")
    texts = column.cast(pa.large_string())
    _no_null(texts, name, where)
    found = texts.to_pylist()
    if not any(map(str.strip, found)):
        raise InputError(f"column {name!r} of {where} holds only empty texts: export it again.")
    if (longest := max(map(len, found))) > LONGEST_TEXT:
        row = [len(text) for text in found].index(longest)
        raise InputError(
            f"the text in row {row} of {where} has {longest} characters, more than {LONGEST_TEXT}: shorten it, or look "
            "for a quotation mark that is not closed."
        )
    return found


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with its values in place of indices into a dictionary."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _no_null(column: pa.ChunkedArray, name: str, where: str) -> None:
    row = pc.index(column.is_null(), True).as_py()
    if row >= 0:
        raise InputError(f"column {name!r} of {where} is null in row {row}: drop or fill that row.")


def _labels(task: Task, column: pa.ChunkedArray, where: str) -> tuple[int, ...] | tuple[float, ...]:
    column = _decoded(column)
    _no_null(column, task.label, where)
    integers = pa.types.is_integer(column.type)
    if not (integers or (task.regression and pa.types.is_floating(column.type))):
        kind = "numbers" if task.regression else "integers"
        raise InputError(f"the labels of {where} are {column.type}, not {kind}: export them as {kind}.")
    low, high = task.scores if task.regression else (0, task.outputs - 1)
    values = column.to_numpy()
    bad = np.flatnonzero(~((values >= low) & (values <= high)))
    if bad.size:
        raise InputError(
            f"the label in row {bad[0]} of {where} is {values[bad[0]]}, outside {low:g} to {high:g}: "
            "correct it, or use a labelled split of this task."
        )
    if (values == values[0]).all():
        kind = "score" if task.regression else "class"
        raise InputError(
            f"every label of {where} is {task.class_name(values[0])}: use a split with more than one {kind}."
        )
    return tuple(values.astype(float).tolist()) if task.regression else tuple(values.tolist())
