"""Every operator on its own: how near it is, in floats and in fixed point, where it fails, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch.nn import functional

from pibench.interpreters.base import Interpreter, Value
from pibench.interpreters.fixed_point import FixedPoint
from pibench.interpreters.ledger import Cost, Ledger
from pibench.interpreters.shared import Shared
from pibench.interpreters.switches import LEAN
from pibench.interpreters.torch import TorchInterpreter
from pibench.operators.activation import ACTIVATION, MPCFORMER_QUAD
from pibench.operators.norm import NORM
from pibench.operators.operator import Operator
from pibench.operators.softmax import POWERS, SOFTMAX

TOKENS, HEADS, HIDDEN, FFN = 128, 12, 384, 1536
"""The sizes of a MiniLM layer at which costs are given."""
SWEEP = tuple(2.0 ** (step / 4) for step in range(-32, 57))
"""Where failure is looked for, in quarters of a power of two: from 1/256 to 16384."""
TOLERANCE = 0.05
"""How far fixed point may be from floats before an operator counts as failed: of its value, and of one."""

Run = Callable[[Interpreter, Value], Value]


@dataclass(frozen=True)
class Probe:
    """One operator made comparable: ``run`` on inputs of any size, its ``goal``, and inputs of one ``size``.

    ``typical`` is the input on which errors are given, ``shape`` that of which costs are.
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
    """Return a row for each operator."""
    return [measured(probe) for probe in (*_activations(), *_softmaxes(), *_norms())]


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
        "float_error": _error(probe, TorchInterpreter()) if promised else None,
        "fixed_error": _error(probe, FixedPoint(LEAN, inject=False)) if promised else None,
        "works_from": low,
        "works_to": high,
        "bytes_total": cost.bytes,
        "rounds": cost.rounds,
        "multiplications": cost.multiplications,
    }


def working_range(probe: Probe) -> tuple[float | None, float | None]:
    """Return the ends of the longest range of input sizes at which fixed point is near what it should be.

    None where it works to that end of the sweep.
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


def _error(probe: Probe, ops: Interpreter) -> float:
    own = probe.run(ops, ops.encode(probe.typical) if isinstance(ops, FixedPoint) else probe.typical)
    return float((own - probe.goal(probe.typical)).abs().max())


def _cost(probe: Probe) -> Cost:
    ledger = Ledger()
    share = torch.empty(probe.shape, dtype=torch.int64, device="meta")
    probe.run(ledger, Shared(share, LEAN.fraction_bits))
    return ledger.total()


def _activations() -> list[Probe]:
    grid = torch.linspace(-12, 12, 24_001, dtype=torch.float64)

    def run(name: str) -> Run:
        coefficients = torch.tensor(MPCFORMER_QUAD) if name == "quadratic" else None
        return lambda ops, x: ACTIVATION[name](ops, x, coefficients)

    def of_size(size: float) -> torch.Tensor:
        return torch.tensor([-size, size], dtype=torch.float64)

    return [
        Probe("activation", name, ACTIVATION[name], run(name), functional.gelu, of_size, grid, (TOKENS, FFN))
        for name in ACTIVATION
    ]


def _softmaxes() -> list[Probe]:
    normal = torch.randn(1, 1, 200, TOKENS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    keep = torch.ones(1, 1, 1, TOKENS, dtype=torch.int64)

    def run(name: str) -> Run:
        # At coefficient 1 a power of x / d is nearest to the exponential of x.
        degree = 2 ** POWERS[name][0] if name in POWERS else 1

        def attention(ops: Interpreter, scores: Value) -> Value:
            coefficients = torch.ones(scores.shape[1])
            scaled = ops.scale(scores, 1 / degree) if degree > 1 else scores
            return ops.over(*SOFTMAX[name](ops, scaled, keep, coefficients))

        return attention

    return [
        Probe(
            "softmax",
            name,
            SOFTMAX[name],
            run(name),
            lambda scores: functional.softmax(scores, -1),
            lambda size: normal * size,
            normal * 2,
            (1, HEADS, TOKENS, TOKENS),
        )
        for name in SOFTMAX
    ]


def _norms() -> list[Probe]:
    normal = torch.randn(200, HIDDEN, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    normal = (normal - normal.mean(-1, keepdim=True)) / normal.std(-1, keepdim=True, correction=0)

    def run(name: str) -> Run:
        def norm(ops: Interpreter, x: Value) -> Value:
            one: Value = torch.ones(x.shape[-1], dtype=torch.float64)
            zero: Value = torch.zeros(x.shape[-1], dtype=torch.float64)
            if isinstance(ops, Ledger):
                one, zero = (Shared(torch.empty(x.shape[-1], dtype=torch.int64, device="meta"), x.fraction),) * 2
            return NORM[name](ops, x, one, zero, 0.0)

        return norm

    return [
        Probe(
            "norm",
            name,
            NORM[name],
            run(name),
            lambda x: functional.layer_norm(x, x.shape[-1:], eps=0.0),
            lambda size: normal * size**0.5,
            normal * 2.0,
            (TOKENS, HIDDEN),
        )
        for name in NORM
    ]
