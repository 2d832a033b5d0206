"""The engines of SPU that are studied, and what measures layers on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import pibench
from pibench.disk import Cache
from pibench.engines.registry import ENGINES
from pibench.engines.spu.engine import SpuEngine
from pibench.engines.spu.parties import import_spu
from pibench.errors import InputError
from pibench.measure.identity import source_fingerprint
from pibench.measure.options import listed
from pibench.measure.spu import layer_costs
from pibench.measure.study import Log
from pibench.model.architecture import Architecture

_CODE = [Path(pibench.__file__).with_name(room) for room in ("model", "engines", "measure")]
CACHE = Cache(Path("runs/spu"), about=source_fingerprint(*_CODE))
Costs = Callable[[SpuEngine, Iterable[Architecture], int], dict[str, dict[str, Any]]]
DEFAULT = "spu-semi2k,spu-aby3"
"""Engines that are studied unless ``--engine`` names others."""


@pytest.fixture
def engines(request: pytest.FixtureRequest) -> list[SpuEngine]:
    try:
        import_spu()
        found = {name: ENGINES[name] for name in listed("engine", request.config.getoption("engine") or DEFAULT)}
    except InputError as error:
        raise pytest.UsageError(str(error)) from error
    if others := [name for name, engine in found.items() if not isinstance(engine, SpuEngine)]:
        raise pytest.UsageError(f"--engine has {others[0]!r}; the studies of SPU run only on SPU's engines")
    return [engine for engine in found.values() if isinstance(engine, SpuEngine)]


@pytest.fixture
def costs(log: Log) -> Costs:
    """Return a function that measures each given layer once and keeps the results for the next run."""
    return lambda engine, layers, seq_len: layer_costs(engine, layers, seq_len, CACHE, log)
