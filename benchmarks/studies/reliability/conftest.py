"""What all reliability studies use."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from pibench.testing.models import save_checkpoint, tiny_bert


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("private inference")
    group.addoption("--times", type=int, default=5, help="times each fault is tried (default: %(default)s)")
    group.addoption("--kills", type=int, default=100, help="moments at which a run is killed (default: %(default)s)")
    group.addoption("--inputs", type=int, default=1000, help="bad inputs to each reader (default: %(default)s)")
    group.addoption("--faults", default="", help="try only faults whose names contain this text (default: all)")


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT so small that it runs almost instantly."""
    return save_checkpoint(tiny_bert(), tmp_path_factory.mktemp("tiny") / "backbone")


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[], Path]:
    """Return a function that makes a new folder for a run."""
    numbers = iter(range(10**6))

    def make() -> Path:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return folder

    return make


@pytest.fixture
def draw() -> random.Random:
    """The generator of the faults' moments; its seed is fixed."""
    return random.Random(0)
