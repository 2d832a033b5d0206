"""Everything that reads external input, and the ways in which that input may be wrong."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from hypothesis import strategies as st

from pibench import CHECKOUT, disk
from pibench.cli import main as command
from pibench.engines.lean.messages import packed, unpacked
from pibench.engines.lean.remote import parse_address
from pibench.engines.lean.switches import LEAN
from pibench.measure.options import defaults
from pibench.measure.plan import Plan
from pibench.methods.registry import METHODS
from pibench.net.profiles import parse_network
from pibench.results import claims, records, tables
from pibench.tasks.load import load
from pibench.testing.made_up import accuracy_record

Read = Callable[[Path], Any]


@dataclass(frozen=True)
class Reader:
    """Possible contents of a file, and its reader, which returns, raises our own error, or ends with our status."""

    contents: st.SearchStrategy[bytes]
    read: Read


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Cut some bytes off, or overwrite some."""
    if draw(st.booleans()):
        return whole[: draw(st.integers(0, len(whole) - 1))]
    changed = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        changed[draw(st.integers(0, len(whole) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


def _written(write: Callable[[Path], Any], folder: Path) -> bytes:
    write(folder / "whole")
    return (folder / "whole").read_bytes()


def _parquet(path: Path) -> None:
    table = pa.table({"sentence": ["some words", "", "more"] * 7, "label": [0, 1, 1] * 7})
    pq.write_table(table, path)


def _glue(path: Path) -> Any:
    folder = path.parent / "glue" / "sst2"
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "validation"):
        (folder / f"{split}.parquet").write_bytes(path.read_bytes())
    return load("sst2", folder.parent, "folder")


def _text(read: Callable[[str], Any]) -> Read:
    return lambda path: read(path.read_text("utf-8"))


_LINK = r"\d{0,3}\.?\d?(Mbit|Gbit|bit|x)?,? ?\d{0,3}\.?\d?(ms|s)?"
_WORDS = ("tasks", "methods", "profile", "engine", "network", "seeds", "recovery", "dealer", "listen")


def _bench_options(text: str) -> None:
    """Plan a run in which one option has another value, given as ``name=value``."""
    name, _, value = text.partition("=")
    options = defaults()
    setattr(options, name, value)
    _ = Plan.from_options(options).cells


def _commands(text: str) -> Any:
    """Return the status of our commands."""
    arguments = text.split("\n")
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        status: Any
        try:
            status = command.main(arguments)
        except SystemExit as end:  # argparse's way
            status = end.code
        assert status == 2 or "--help" in text or "-h" in text, said.getvalue()
        try:
            status = tables.main(arguments)
        except SystemExit as end:
            status = end.code
        assert status == 2 or "-h" in text, said.getvalue()
    return status


def _metadata(path: Path) -> None:
    """Install a plugin with the file's contents as entry points, and load everything that is registered."""
    information = path.parent / "plugin-1.0.dist-info"
    information.mkdir(exist_ok=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (information / "entry_points.txt").write_bytes(path.read_bytes())
    sys.path.append(str(path.parent))
    try:
        list(METHODS.values())
    finally:
        sys.path.remove(str(path.parent))


def readers(folder: Path) -> dict[str, Reader]:
    """Return every reader by its name; ``folder`` is for other files that they need."""
    record = _written(lambda path: records.write(accuracy_record("rte", "dense", "exact", 60.0), path), folder)
    checkpoint = _written(lambda path: disk.save({"state": torch.ones(3), "notes": {"a": [1]}}, path), folder)
    message = packed(["load", ["name", LEAN, {"a": torch.ones(3).numpy()}]])
    anything = st.binary(max_size=200) | st.text().map(str.encode) | st.just(b"[" * 100_000)
    words = st.text(st.characters(codec="utf-8"))
    option = st.builds("{}={}".format, st.sampled_from(_WORDS), words | st.from_regex(r"[a-z_]+(,[a-z_]*)*"))
    entries = st.lists(
        words | st.builds("{} = {}".format, words, words) | st.builds("a{} = os:{}".format, words, words), max_size=4
    ).map(lambda lines: "\n".join(["[pibench.methods]", *lines]).encode("utf-8", "surrogatepass"))
    arguments = st.lists(st.sampled_from(["party", "--rank", "0", "1", "--listen", "--connect"]) | words, max_size=6)
    return {
        "records": Reader(damaged(record) | anything, records.read),
        "checkpoints": Reader(damaged(checkpoint) | anything, disk.load),
        "parquet files": Reader(damaged(_written(_parquet, folder)) | anything, _glue),
        "messages": Reader(damaged(message) | anything, lambda path: unpacked(path.read_bytes())),
        "plugins' metadata": Reader(entries | anything, _metadata),
        "options of nox -s bench": Reader(option.map(str.encode), _text(_bench_options)),
        "other command lines": Reader(arguments.map("\n".join).map(str.encode), _text(_commands)),
        "lists of claims": Reader(damaged((CHECKOUT / "benchmarks/claims.toml").read_bytes()) | anything, claims.load),
        "addresses": Reader((words | st.from_regex(r"[\w.]*:?\d*")).map(str.encode), _text(parse_address)),
        "networks": Reader((words | st.from_regex(_LINK)).map(str.encode), _text(parse_network)),
    }
