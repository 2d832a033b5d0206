"""Options of the second engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from pibench.disk import Cache
from pibench.engines.spu.parties import import_spu
from pibench.engines.spu.protocols import PROTOCOLS, Protocol
from pibench.errors import InputError, pick
from pibench.measure.spu import layer_costs
from pibench.measure.study import Log
from pibench.model.architecture import Architecture

CACHE = Cache(Path("runs/spu"))
Costs = Callable[[Protocol, Iterable[Architecture], int], dict[str, dict[str, Any]]]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("private inference")
    group.addoption("--protocols", default="semi2k,aby3", help=f"of {', '.join(PROTOCOLS)} (default: %(default)s)")


@pytest.fixture
def protocols(request: pytest.FixtureRequest) -> list[Protocol]:
    try:
        import_spu()
        names = [name.strip() for name in request.config.getoption("protocols").split(",")]
        return [PROTOCOLS[pick("protocol", name, list(PROTOCOLS))] for name in names]
    except InputError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.fixture
def costs(log: Log) -> Costs:
    """Return what measures the layers it is given, each once: finished ones are kept for the next run."""
    return lambda protocol, layers, seq_len: layer_costs(protocol, layers, seq_len, CACHE, log)
