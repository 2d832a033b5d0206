"""Every operator by itself: its error in floats and in fixed point, where it fails, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch.nn import functional

from pibench.engines.engine import Cost
from pibench.engines.lean.fixed_point import FixedPoint
from pibench.engines.lean.ledger import Ledger
from pibench.engines.lean.shares import Shared
from pibench.engines.lean.switches import LEAN
from pibench.measure.run import describe
from pibench.model.architecture import Layer
from pibench.model.floats import TorchInterpreter
from pibench.model.operators.activation import ACTIVATION
from pibench.model.operators.norm import NORM
from pibench.model.operators.operator import Operator
from pibench.model.operators.softmax import SOFTMAX
from pibench.model.primitives import Interpreter, Value
from pibench.plugins import Registry

TOKENS, HEADS, HIDDEN, FFN = 128, 12, 384, 1536
LAYER = Layer(HEADS, HIDDEN // HEADS, FFN)
"""The MiniLM layer at whose sizes costs are given."""
SWEEP = tuple(2.0 ** (step / 4) for step in range(-32, 57))
"""The input sizes that are tried, from 1/256 to 16384 in quarter powers of two."""
TOLERANCE = 0.05
"""The relative and the absolute error in fixed point from which an operator counts as failed."""

_FIELDS = (
    "paper",
    "stated",
    "float_error",
    "fixed_error",
    "works_from",
    "works_to",
    "bytes_total",
    "rounds",
    "multiplications",
)
Run = Callable[[Interpreter, Value], Value]


@dataclass(frozen=True)
class Probe:
    """What is needed to test one operator: ``run``, its exact ``goal``, and inputs of a given ``size``.

    Errors are given on the input ``typical``, costs for an input of ``shape``.
    """

    kind: str
    name: str
    operator: Operator
    run: Run
    goal: Callable[[torch.Tensor], torch.Tensor]
    of_size: Callable[[float], torch.Tensor]
    typical: torch.Tensor
    shape: tuple[int, ...]


def rows() -> list[dict[str, Any]]:
    """Return a row for each operator, including plugins'; one that cannot be run has an ``error`` and no numbers."""
    return [_row(kind, name) for kind, (operators, _) in KINDS.items() for name in operators]


def _row(kind: str, name: str) -> dict[str, Any]:
    try:
        return measured(probe(kind, name))
    except Exception as error:
        return dict.fromkeys(_FIELDS) | {"kind": kind, "operator": name, "error": describe(error)}


def probe(kind: str, name: str) -> Probe:
    """Return the probe of an operator of ``activation``, ``softmax`` or ``norm``."""
    operators, make = KINDS[kind]
    return make(name, operators[name])


def measured(probe: Probe) -> dict[str, Any]:
    """Return one operator's errors, the sizes between which it works, and its cost."""
    low, high = working_range(probe)
    cost = _cost(probe)
    promised = probe.operator.error is not None
    return {
        "kind": probe.kind,
        "operator": probe.name,
        "paper": probe.operator.paper,
        "stated": probe.operator.error,
        "float_error": error_of(probe, TorchInterpreter()) if promised else None,
        "fixed_error": error_of(probe, FixedPoint(LEAN, inject=False)) if promised else None,
        "works_from": low,
        "works_to": high,
        "bytes_total": cost.bytes,
        "rounds": cost.rounds,
        "multiplications": cost.multiplications,
    }


def working_range(probe: Probe) -> tuple[float | None, float | None]:
    """Return the ends of the longest range of input sizes at which fixed point is accurate enough.

    An end is None where the range reaches that end of the sweep.
    """
    runs = [list(run) for works, run in groupby(SWEEP, partial(_works, probe)) if works]
    longest = max(runs, key=len)
    return (
        None if longest[0] == SWEEP[0] else longest[0],
        None if longest[-1] == SWEEP[-1] else longest[-1],
    )


def _works(probe: Probe, size: float) -> bool:
    values = probe.of_size(size)
    own, exact = _fixed(probe, values), probe.run(TorchInterpreter(), values)
    if probe.operator.error is not None:
        exact = probe.goal(values)
    allowed = TOLERANCE * (1 + exact.abs()) + (probe.operator.error or 0.0)
    return bool(((own - exact).abs() <= allowed).all())


def _fixed(probe: Probe, values: torch.Tensor) -> torch.Tensor:
    ops = FixedPoint(LEAN, inject=False)
    return probe.run(ops, ops.encode(values))


def error_of(probe: Probe, ops: Interpreter) -> float:
    """Return the largest error of the operator on typical inputs against what it approximates."""
    own = probe.run(ops, ops.encode(probe.typical) if isinstance(ops, FixedPoint) else probe.typical)
    return float((own - probe.goal(probe.typical)).abs().max())


def _cost(probe: Probe) -> Cost:
    ledger = Ledger()
    share = torch.empty(probe.shape, dtype=torch.int64, device="meta")
    probe.run(ledger, Shared(share, LEAN.fraction_bits))
    return ledger.total()


def _ones(operator: Operator) -> torch.Tensor | None:
    """Return the coefficients that a layer has for an operator, all 1; None if it has none."""
    return torch.ones(operator.coefficients(LAYER)) if operator.coefficients else None


def _activation(name: str, operator: Operator) -> Probe:
    grid = torch.linspace(-12, 12, 24_001, dtype=torch.float64)

    def of_size(size: float) -> torch.Tensor:
        return torch.tensor([-size, size], dtype=torch.float64)

    def run(ops: Interpreter, x: Value) -> Value:
        return operator(ops, x, _ones(operator))

    return Probe("activation", name, operator, run, functional.gelu, of_size, grid, (TOKENS, FFN))


def _softmax(name: str, operator: Operator) -> Probe:
    normal = torch.randn(1, 1, 200, TOKENS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    keep = torch.ones(1, 1, 1, TOKENS, dtype=torch.int64)

    def run(ops: Interpreter, scores: Value) -> Value:
        coefficients = _ones(operator)
        if coefficients is not None:
            coefficients = coefficients[: scores.shape[1]]
        scaled = scores if operator.typical_scale == 1 else ops.scale(scores, operator.typical_scale)
        return ops.normalise(*operator(ops, scaled, keep, coefficients))

    return Probe(
        "softmax",
        name,
        operator,
        run,
        lambda scores: functional.softmax(scores, -1),
        lambda size: normal * size,
        normal * 2,
        (1, HEADS, TOKENS, TOKENS),
    )


def _norm(name: str, operator: Operator) -> Probe:
    normal = torch.randn(200, HIDDEN, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    normal = (normal - normal.mean(-1, keepdim=True)) / normal.std(-1, keepdim=True, correction=0)

    def run(ops: Interpreter, x: Value) -> Value:
        one: Value = torch.ones(x.shape[-1], dtype=torch.float64)
        zero: Value = torch.zeros(x.shape[-1], dtype=torch.float64)
        if isinstance(ops, Ledger):
            one, zero = (Shared(torch.empty(x.shape[-1], dtype=torch.int64, device="meta"), x.fraction),) * 2
        return operator(ops, x, one, zero, 0.0)

    return Probe(
        "norm",
        name,
        operator,
        run,
        lambda x: functional.layer_norm(x, x.shape[-1:], eps=0.0),
        lambda size: normal * size**0.5,
        normal * 2.0,
        (TOKENS, HIDDEN),
    )


KINDS: dict[str, tuple[Registry[Operator], Callable[[str, Operator], Probe]]] = {
    "activation": (ACTIVATION, _activation),
    "softmax": (SOFTMAX, _softmax),
    "norm": (NORM, _norm),
}
"""The operators of each kind, and the function that makes a probe of one."""
