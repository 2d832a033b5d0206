"""``pibench list``: list what can be chosen, such as methods and tasks."""

from __future__ import annotations

import argparse
from typing import Any

from pibench.cli.output import add_json, show
from pibench.cli.run import nothing_more
from pibench.engines.engine import Session
from pibench.engines.registry import ENGINES
from pibench.engines.security import in_words
from pibench.errors import InputError
from pibench.methods.registry import METHODS
from pibench.model.operators.activation import ACTIVATION
from pibench.model.operators.norm import NORM
from pibench.model.operators.softmax import SOFTMAX
from pibench.net.profiles import NETWORKS
from pibench.tasks.registry import TASKS, in_order


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    listing = commands.add_parser("list", help=f"list {', '.join(_KINDS)}")
    listing.add_argument("kind", choices=_KINDS, nargs="?", default="methods")
    add_json(listing)
    listing.set_defaults(run=_list)


def _list(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    show(_KINDS[chosen.kind](), chosen.json)
    return 0


def _methods() -> list[dict[str, Any]]:
    found = []
    for name in METHODS:
        try:
            info = METHODS[name].info
        except InputError as error:
            found.append({"method": name, "variants": "", "what": str(error)})
            continue
        variants = ", ".join(variant.name for variant in info.variants)
        found.append({"method": name, "variants": variants, "what": info.summary})
    return found


def _operators() -> list[dict[str, Any]]:
    kinds = {"softmax": SOFTMAX, "activation": ACTIVATION, "norm": NORM}
    return [{"operator": name, "of": kind} for kind, operators in kinds.items() for name in operators]


def _engines() -> list[dict[str, Any]]:
    found = []
    for name in ENGINES:
        try:
            engine = ENGINES[name]
            security = in_words(engine.security(Session()))
            found.append({"engine": name, "here": engine.missing() or "yes", "security": security})
        except InputError as error:
            found.append({"engine": name, "here": str(error), "security": ""})
    return found


def _tasks() -> list[dict[str, Any]]:
    return [
        {"task": task.name, "outputs": task.outputs, "metric": "+".join(task.metrics), "texts": ", ".join(task.columns)}
        for task in map(TASKS.__getitem__, in_order(TASKS))
    ]


def _networks() -> list[dict[str, Any]]:
    return [
        {"network": link.name, "Mbit/s": round(link.bandwidth / 1e6) if link.rtt else None, "RTT (ms)": link.rtt * 1e3}
        for link in NETWORKS.values()
    ]


_KINDS = {
    "methods": _methods,
    "operators": _operators,
    "engines": _engines,
    "tasks": _tasks,
    "networks": _networks,
}
