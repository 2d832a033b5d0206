"""Costs of single layers on SPU, without embedding and head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from statistics import fmean
from typing import Any

from pibench.disk import Cache
from pibench.engines.engine import Session
from pibench.engines.lean.ledger import predict
from pibench.engines.spu.engine import SpuEngine
from pibench.engines.spu.parties import SpuParties
from pibench.measure.cost import at_random
from pibench.model.architecture import Architecture

REPEATS = {"semi2k": 3, "aby3": 3, "cheetah": 1}
"""Timed runs of a layer; CHEETAH takes a minute for each."""
SETUP_SEQ_LEN = 8
SESSION = Session(deadline=900.0)


def layer_costs(
    engine: SpuEngine, layers: Iterable[Architecture], seq_len: int, cache: Cache, log: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Return :func:`layer_cost` of each distinct layer by its key, cached in ``cache``."""
    costs: dict[str, dict[str, Any]] = {}
    protocol = engine.protocol
    with ExitStack() as running:
        parties: list[SpuParties] = []

        def started(layer: Architecture) -> SpuParties:
            """Return the parties; at first use they run one layer that is not measured, which sets up their keys."""
            if not parties:
                parties.append(running.enter_context(engine.start(SESSION)))
                layer_cost(parties[0], layer, SETUP_SEQ_LEN, 1)
            return parties[0]

        for layer in {layer.key: layer for layer in layers}.values():

            def make(layer: Architecture = layer) -> dict[str, Any]:
                cost = layer_cost(started(layer), layer, seq_len, REPEATS[protocol.name])
                return cost if protocol.rounds else cost | {"rounds": None}

            costs[layer.key] = cache.cached(f"{protocol.name}-layer", [protocol.name, layer.spec(), seq_len], make)
            log(f"{protocol.name} {layer.key}: {costs[layer.key]['bytes_total'] / 1e6:.1f} MB")
    return costs


def layer_cost(parties: SpuParties, layer: Architecture, seq_len: int, repeats: int) -> dict[str, Any]:
    """Run one layer with random weights, and return its mean bytes over all parties, rounds, and seconds.

    ``operations`` are the last run's bytes by operation of the compiled program, ``rounds`` party 0's send actions.
    """
    from pibench.engines.spu.program import program

    sample = at_random(layer, seq_len=seq_len)
    compiled = program(sample.model, sample.embedded, sample.keep, head=False)
    runs = [parties.run(compiled) for _ in range(repeats)]
    total = fmean(sum(run.bytes_sent) for run in runs)
    operations: Counter[str] = sum((Counter(party.operations) for party in runs[-1].parties), Counter())
    return {
        "bytes_total": total,
        "bytes_sent": [fmean(sent) for sent in zip(*(run.bytes_sent for run in runs), strict=True)],
        "operations": dict(operations),
        "rounds": runs[0].parties[0].actions,
        "seconds": [run.seconds for run in runs],
    }


def lean_cost(layer: Architecture, seq_len: int) -> dict[str, Any]:
    """Return the ledger's costs of one layer on the lean engine, which equal those on the wire."""
    costs = [cost for name, cost in predict(layer, 1, seq_len).costs.items() if name.startswith("layer0.")]
    return {"bytes_total": sum(cost.bytes for cost in costs), "rounds": sum(cost.rounds for cost in costs)}


def summed(costs: Mapping[str, Mapping[str, Any]], architecture: Architecture) -> dict[str, Any]:
    """Return the sum of the costs of all layers of an architecture, seconds from each layer's fastest run."""
    own = [costs[layer.key] for layer in architecture.single_layers()]
    rounds = [cost["rounds"] for cost in own]
    operations: Counter[str] = sum((Counter(cost.get("operations", {})) for cost in own), Counter())
    return {
        "bytes_total": sum(cost["bytes_total"] for cost in own),
        "operations": dict(operations),
        "rounds": None if None in rounds else sum(rounds),
        "seconds": sum(min(cost["seconds"]) for cost in own) if all("seconds" in cost for cost in own) else None,
    }
