"""Whatever stands in a file or on a command line: a value, or our own error in one sentence."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pibench.disk import load
from pibench.errors import InputError
from pibench.results import records
from pibench.testing.readers import Reader, readers

NAMES = (
    "records",
    "checkpoints",
    "parquet files",
    "messages",
    "plugins' metadata",
    "options of nox -s bench",
    "other command lines",
    "lists of claims",
    "addresses",
    "networks",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readers")


@pytest.fixture(scope="module")
def every(folder: Path) -> dict[str, Reader]:
    found = readers(folder)
    assert tuple(found) == NAMES
    return found


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=200)
@given(data=st.data())
def test_bad_input_is_our_own_error_in_one_sentence(
    every: dict[str, Reader], folder: Path, name: str, data: st.DataObject
) -> None:
    path = folder / "file"
    path.write_bytes(data.draw(every[name].contents))
    try:
        every[name].read(path)
    except InputError as error:
        assert str(error).strip() and len(str(error).splitlines()) == 1


@given(st.binary(max_size=200))
def test_files_that_are_no_records_are_refused(folder: Path, content: bytes) -> None:
    (folder / "file").write_bytes(content)
    with pytest.raises(InputError):
        records.read(folder / "file")


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("write_it", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_stranger_s_pickle_is_not_run(folder: Path, write_it: Callable[[Any, Path], None]) -> None:
    write_it(Trap(), folder / "file")
    with pytest.raises(InputError, match="not a checkpoint of this suite"):
        load(folder / "file")
