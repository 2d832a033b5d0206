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

from pibench.disk import load, save
from pibench.errors import InputError
from pibench.interpreters.crypten.remote import parse_address
from pibench.network import parse_network
from pibench.records import read, write
from tests.made_up import accuracy_record

many = settings(max_examples=200)


def ours(read_it: Callable[[], Any]) -> None:
    try:
        read_it()
    except InputError as error:
        assert str(error) and "\n" not in str(error)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readers") / "file"


def damaged(whole: bytes, data: st.DataObject) -> bytes:
    """Cut some bytes off, or overwrite some."""
    if data.draw(st.booleans()):
        return whole[: data.draw(st.integers(0, len(whole) - 1))]
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed)


@many
@given(st.data())
def test_damaged_records(file: Path, data: st.DataObject) -> None:
    write(accuracy_record("rte", "dense", "fair", 60.0), file)
    file.write_bytes(damaged(file.read_bytes(), data))
    ours(lambda: read(file))


@many
@given(st.binary(max_size=200) | st.text().map(str.encode) | st.just(b"[" * 100_000))
def test_files_that_are_no_records(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(InputError):
        read(file)


@many
@given(st.data())
def test_damaged_checkpoints(file: Path, data: st.DataObject) -> None:
    save({"state": torch.ones(3), "notes": {"a": [1]}}, file)
    file.write_bytes(damaged(file.read_bytes(), data))
    ours(lambda: load(file))


@many
@given(st.binary(max_size=200))
def test_files_that_are_no_checkpoints(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    ours(lambda: load(file))


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("write_it", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_stranger_s_pickle_is_not_run(file: Path, write_it: Callable[[Any, Path], None]) -> None:
    write_it(Trap(), file)
    with pytest.raises(InputError, match="no checkpoint of this suite"):
        load(file)


@many
@given(st.text() | st.from_regex(r"[\w.]*:?\d*[A-Za-z]*,? ?\d*\.?\d*[A-Za-z]*"))
def test_addresses_and_networks(text: str) -> None:
    ours(lambda: parse_address(text))
    ours(lambda: parse_network(text))
