"""``pibench cost``: what the ledger predicts for a model, without running anything."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from pibench.arguments import at_least, checkpoint, words
from pibench.cli.output import add_json, show
from pibench.cli.run import nothing_more
from pibench.errors import InputError


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    cost = commands.add_parser("cost", help="predict bytes and rounds of an inference, without running it")
    cost.add_argument("--backbone", type=checkpoint, default="minilm", help="hub id, folder, or minilm (%(default)s)")
    cost.add_argument("--seq-len", type=at_least(1), default=128, help="tokens (%(default)s)")
    cost.add_argument("--batch", type=at_least(1, 1024), default=1, help="inputs at once (%(default)s)")
    for name in ("softmax", "activation", "norm"):
        cost.add_argument(f"--{name}", type=words, metavar="OPERATOR", help=f"another {name} in every layer")
    add_json(cost)
    cost.set_defaults(run=_cost)


def _cost(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    operators = {name: value for name in ("softmax", "activation", "norm") if (value := getattr(chosen, name))}
    show(predicted(chosen.backbone, chosen.batch, chosen.seq_len, operators), chosen.json)
    return 0


def predicted(backbone: str, batch: int, seq_len: int, operators: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return megabytes and rounds by operator group, then in total, the latter with the seconds that a network takes.

    Raises:
        InputError: the backbone or an operator is unknown, or the length does not fit.
    """
    from pibench.engines.engine import Cost
    from pibench.engines.lean.engine import Lean
    from pibench.engines.lean.ledger import predict
    from pibench.model.architecture import Architecture
    from pibench.model.backbones.backbone import dense_shape
    from pibench.net.profiles import MODELLED, NETWORKS, latency
    from pibench.results.cost import GROUPS, PARTIES, operator_group

    dense, positions = dense_shape(backbone)
    if seq_len > positions:
        raise InputError(f"--seq-len {seq_len}: the position table of {backbone!r} holds {positions}")
    spec = dense.spec()
    spec["layers"] = [layer | operators for layer in spec["layers"]]
    ledger = predict(Architecture.from_spec(spec), batch, seq_len)
    by_group = dict.fromkeys(GROUPS, Cost())
    for name, cost in ledger.costs.items():
        by_group[operator_group(name)] += cost
    rows: list[dict[str, Any]] = [
        {"operators": group, "MB": cost.bytes / 1e6, "rounds": cost.rounds} for group, cost in by_group.items()
    ]
    total = ledger.total()
    waits = {
        f"{link}: network alone (s)": latency(
            NETWORKS[link], 0.0, total.bytes / PARTIES, total.rounds, Lean.round_trips
        )
        for link in MODELLED
    }
    return [*rows, {"operators": "all", "MB": total.bytes / 1e6, "rounds": total.rounds} | waits]
