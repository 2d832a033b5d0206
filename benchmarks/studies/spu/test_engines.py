"""Does a ranking hold on another engine? Every committed method's layers on each protocol."""

from __future__ import annotations

import pytest

from benchmarks.studies.spu.conftest import Costs
from pibench.engines.registry import ENGINES
from pibench.engines.security import in_words
from pibench.engines.spu.engine import SpuEngine
from pibench.measure.spu import SESSION, lean_cost, summed
from pibench.measure.study import Save
from pibench.model.architecture import Architecture
from pibench.results.records import read_all

SEQ_LEN = 128


def test_engines(request: pytest.FixtureRequest, save: Save, engines: list[SpuEngine], costs: Costs) -> None:
    """Layers are those of the models that the methods made on the first of ``--tasks`` with the first seed."""
    task = request.config.getoption("tasks").split(",")[0].strip()
    models = {
        (record["method"], record["variant"]): Architecture.from_spec(record["architecture_spec"])
        for record in read_all(request.config.getoption("studies"))
        if record["kind"] == "accuracy"
        and (record["task"], record["seed"], record["engine"], record["status"]) == (task, 0, "lean", "ok")
    }
    layers = [layer for architecture in models.values() for layer in architecture.single_layers()]
    measured = {"lean": {layer.key: lean_cost(layer, SEQ_LEN) for layer in layers}}
    measured |= {engine.name: costs(engine, layers, SEQ_LEN) for engine in engines}
    rows = [
        {"task": task, "method": method, "variant": variant, "engine": engine} | summed(found, architecture)
        for engine, found in measured.items()
        for (method, variant), architecture in models.items()
    ]
    offline = {"lean": "not counted: dealer"} | {engine.name: engine.protocol.offline for engine in engines}
    save(
        "engines",
        [row | {"offline": offline[row["engine"]]} for row in rows],
        "spu",
        {engine: in_words(ENGINES[engine].security(SESSION)) for engine in measured},
    )
