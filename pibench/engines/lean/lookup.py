"""Tables that a secret number is looked up in: what they hold, and how far apart their points are.

Far from zero, points may be further apart than near it, so a function is held by several tables, the finest first.
Each coarser table also says for which numbers a finer table must be used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch

NEAR = 8
"""A table is used from this many steps away from zero, so that neighbouring points differ by an eighth at most."""

_TANH_STEP, _TANH_POINTS, _TANH_NEAR = 2.0**-6, 1024, 6
_SIGN_STEP, _SIGN_POINTS = 1.0, 256
TANH_DOMAIN = (-126.0, 126.0)


@dataclass(frozen=True, eq=False)
class LookupTable:
    """``columns`` (functions, points) at ``step`` times 0, 1, ...; powers of two both, and points wrap around."""

    step: float
    columns: torch.Tensor

    @property
    def points(self) -> int:
        """The number of points."""
        return self.columns.shape[-1]


@lru_cache(maxsize=256)
def levels(
    function: Callable[[torch.Tensor], torch.Tensor], low: float, high: float, points: int, grain: float
) -> tuple[LookupTable, ...]:
    """Return tables of ``function`` from ``low`` to ``high`` (positive), the finest first, each of ``points`` at most.

    Every table but the finest has a second column: 1 where a finer one is to be used, and the value is 0 there.
    ``grain`` is the smallest difference between two inputs.
    """
    step = max(2.0 ** math.floor(math.log2(low / NEAR)), grain)
    tables: list[LookupTable] = []
    while True:
        size = min(points, 2 ** math.ceil(math.log2(high / step + 2)))
        index = torch.arange(size)
        values = function(index.clamp(min=1).double() * step)
        finer = index < NEAR
        columns = torch.stack([values.masked_fill(finer, 0.0), finer.double()]) if tables else values[None]
        tables.append(LookupTable(step, columns))
        reach = (size - 2) * step
        if reach >= high:
            return tuple(tables)
        step = 2.0 ** math.floor(math.log2(reach / (NEAR + 1)))


@lru_cache(maxsize=1)
def tanh_tables() -> tuple[LookupTable, LookupTable]:
    """Return tanh and its slope near zero, and its sign beyond with a column that is 1 near zero.

    With the slope the error is at most 1e-4: half the steepest curvature, 0.77, times the square of a step.
    """
    near, far = _signed(_TANH_POINTS), _signed(_SIGN_POINTS)
    value = torch.tanh(near * _TANH_STEP)
    inside = far.abs() <= _TANH_NEAR
    sign = far.sign().masked_fill(inside, 0.0)
    return LookupTable(_TANH_STEP, torch.stack([value, 1 - value**2])), LookupTable(
        _SIGN_STEP, torch.stack([sign, inside.double()])
    )


def _signed(points: int) -> torch.Tensor:
    """Return 0, 1, ... and, from the middle on, the negative numbers that wrap around to those places."""
    index = torch.arange(points, dtype=torch.float64)
    return index.where(index < points // 2, index - points)
