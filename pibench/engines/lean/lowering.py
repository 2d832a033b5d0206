"""Lowering of the primitives to two-party protocol steps on fixed-point shares.

The steps are Beaver products (``mul``, ``square``, ``matmul``) and one comparison (``is_negative``); all else is
local. The ledger and the engine share this code, so that what is predicted is what runs; so do CrypTen's tensors.
Rounds are written as r.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from pibench.engines.lean.lookup import LookupTable, levels, tanh_tables
from pibench.engines.lean.switches import PLAIN, Switches
from pibench.model.primitives import Domain, Interpreter, Value

EXP_SQUARINGS = 8
"""(1 + x / 256)**256: relative error x**2 / 512, at most 2.6e-3 in absolute terms on [-506, 0]."""
QUADRATIC_EXP_SQUARINGS = 7
QUADRATIC_EXP_DOMAIN = (-244.0, 0.0)
"""(1 + t + t**2 / 2)**128 for t = x / 128: absolute error at most 1.4e-5 before fixed-point rounding."""

INVERSE_SQRT_DOMAIN = (0.08, 1024.0)
"""Wide, because a few tokens of real checkpoints have variances hundreds of times the median."""
_INVERSE_SQRT_POINTS = 2048
_RECIPROCAL_POINTS = 256
_LOOKUP_STEPS = 2
_START_SQUARINGS = 8
_START = (107140 / 2**16, 75 / 2**16, 7125 / 2**16, 6 / 2**16)
"""a (1 - b x)**256 + c - d x: the start value whose worst error after the Newton steps is least on the domain.

Multiples of 2**-16, so that 16 fractional bits hold them exactly.
"""
_NEWTON_STEPS = 4

_GELU_EDGE = 3.25
_GELU_TAIL = (-0.00187533, 0.53727033, -0.53994491, 0.18339765, -0.02094522)
"""t (1 - Phi(t)) on [0, 3.25] by the minimax polynomial that ends in 0; error at most 1.9e-3, also beyond."""

_TAIL = (0.76431926, 0.38369842)
"""1 - Phi(t) = 0.5 exp(-(p t + q t**2)) fitted for t >= 0: GELU's error is at most 7e-4, for |x| <= 34."""

_ACCURACY = 1e-5


def public_factor(constant: float | torch.Tensor, fraction_bits: int) -> tuple[torch.Tensor, int]:
    """Return integers n and bits b of n / 2**b: the constant, its largest element to ``fraction_bits`` or more.

    A single number comes in lowest terms: the smaller a product before its truncation, the rarer a wrap.
    """
    exact = torch.as_tensor(constant, dtype=torch.float64).detach()
    largest = float(exact.abs().max())
    bits = fraction_bits - min(0, math.floor(math.log2(largest)) if largest else 0)
    factor = (exact * 2.0**bits).round().long()
    if factor.numel() == 1 and (number := int(factor)):
        common = min(bits, (number & -number).bit_length() - 1)
        return factor >> common, bits - common
    return factor, bits


@dataclass(frozen=True)
class Read:
    """A table's columns at a point, and how far beyond that point the number lies."""

    columns: Sequence[Value]
    beyond: Value


class SecretSharing(Interpreter):
    """The fair lowering: the best one we have for additive shares with a dealer."""

    def __init__(self, switches: Switches = PLAIN) -> None:
        super().__init__()
        self.switches = switches

    @abstractmethod
    def is_negative(self, a: Value) -> Value:
        """Return 1 where a < 0, else 0."""

    def lookup(self, a: Value, tables: Sequence[LookupTable]) -> list[Read]:
        """Read every table at one of the two points that ``a`` lies between, where an engine can. 1 r."""
        raise NotImplementedError

    def sines(self, a: Value, weights: Sequence[float], period: float) -> Value:
        """Open a minus a random angle whose sines the dealer shares (SHAFT, NDSS 2025), where an engine can."""
        raise NotImplementedError

    def open(self, *values: Value) -> object:
        """Let the products and comparisons that follow share one opening, where an engine can. At most 1 r."""
        return None

    def linear(self, a: Value, weight: Value, bias: Value, parts: int = 1) -> Value:
        """Flatten the leading dimensions, so that one matrix product opens each operand once. 1 r."""
        rows = a.reshape(-1, a.shape[-1])
        product = self.matmul(rows, weight.transpose(0, 1))
        return self.add(product, bias).reshape(*a.shape[:-1], weight.shape[0])

    def relu(self, a: Value) -> Value:
        """Multiply by the sign bit. 9 r."""
        return self.sub(a, self.mul(a, self.is_negative(a)))

    def exp(self, a: Value) -> Value:
        """Raise the start of the exponential series to a power of two.

        8 r; a in [-506, 0] from 1 + a / 256, in [-244, 0], but more exact, from the quadratic start.
        """
        if self.switches.quadratic_exp:
            a = self.scale(a, 0.5**QUADRATIC_EXP_SQUARINGS)
            start = self.shift(self.add(a, self.scale(self.square(a), 0.5)), 1.0)
            return self._power(start, QUADRATIC_EXP_SQUARINGS)
        return self._power(self.shift(self.scale(a, 0.5**EXP_SQUARINGS), 1.0), EXP_SQUARINGS)

    def max(self, a: Value) -> Value:
        """Halve the last dimension by pairwise maxima. 9 r for each halving."""
        while (size := a.shape[-1]) > 1:
            half = size // 2
            left, right, rest = a[..., :half], a[..., half : 2 * half], a[..., 2 * half :]
            larger = self.add(right, self.relu(self.sub(left, right)))
            a = self.concat([larger, rest], -1) if size % 2 else larger
        return a

    def divide(self, a: Value, b: Value, domain: Domain) -> Value:
        """Multiply a by 1 / b, b scaled by a power of two to around 1 first, where fixed point is most precise."""
        centre = 2.0 ** round(math.log2(domain[0] * domain[1]) / 2)
        b, low, high = self.scale(b, 1 / centre), domain[0] / centre, domain[1] / centre
        reciprocal = self._looked_up_reciprocal if self.switches.lookup_tables else self._reciprocal
        return self.scale(self.mul(a, reciprocal(b, low, high)), 1 / centre)

    def _reciprocal(self, b: Value, low: float, high: float) -> Value:
        """Goldschmidt's iteration, then one Newton step against its rounding.

        Rounds grow with the logarithm of the domain's width.
        """
        start = 2 / (low + high)
        error = max(high - low, _ACCURACY) / (high + low)
        steps = max(3, math.ceil(math.log2(math.log(_ACCURACY) / math.log(error))))
        deviation = self.scale(b, start)
        factor = self._two_minus(deviation)
        inverse = self.scale(factor, start)
        deviation = self.mul(deviation, factor)
        for _ in range(steps - 3):
            factor = self._two_minus(deviation)
            deviation, inverse = self._mul_both(deviation, inverse, factor)
        inverse = self.mul(inverse, self._two_minus(deviation))
        return self.mul(inverse, self._two_minus(self.mul(b, inverse)))

    def _looked_up_reciprocal(self, b: Value, low: float, high: float) -> Value:
        """Goldschmidt's iteration from a table: an error e of at most 1/7 becomes e**4. 5 or 6 r."""
        y = self.looked_up(b, torch.reciprocal, low, high, _RECIPROCAL_POINTS)
        error = self._one_minus(self.mul(b, y))
        step, error = self._mul_both(y, error, error)
        y = self.add(y, step)
        return self.add(y, self.mul(y, error))

    def looked_up(
        self, a: Value, function: Callable[[torch.Tensor], torch.Tensor], low: float, high: float, points: int
    ) -> Value:
        """Return ``function`` at a point near a: within a seventh of a, for a from low to high. 1 r a table."""
        tables = levels(function, low, high, points, 2.0**-self.switches.fraction_bits)
        finest, *coarser = (read.columns for read in self.lookup(a, tables))
        (y,) = finest
        for value, finer in coarser:
            y = self.add(value, self.mul(finer, y))
        return y

    def inverse_sqrt(self, a: Value) -> Value:
        """Newton's iteration y (3 - a y**2) / 2, two rounds a step, from a start value without division.

        The worst relative error on :data:`INVERSE_SQRT_DOMAIN` is 1.6e-3 before fixed-point rounding, from a
        power 16 r; from a table 1.5e-4, 6 r.
        """
        looked_up = self.switches.lookup_tables
        y = (
            self.looked_up(a, torch.rsqrt, *INVERSE_SQRT_DOMAIN, _INVERSE_SQRT_POINTS)
            if looked_up
            else self._power_start(a)
        )
        for _ in range(_LOOKUP_STEPS if looked_up else _NEWTON_STEPS):
            squared, scaled = self._mul_both(y, a, y)
            y = self.sub(self.scale(y, 1.5), self.scale(self.mul(squared, scaled), 0.5))
        return y

    def _power_start(self, a: Value) -> Value:
        scale, slope, constant, decline = _START
        base = self.shift(self.scale(a, -slope), 1.0)
        y = self.shift(self.scale(self._power(base, _START_SQUARINGS), scale), constant)
        return self.sub(y, self.scale(a, decline))

    def tanh(self, a: Value) -> Value:
        """(1 - e**-2t) / (1 + e**-2t) for t = abs(a), with the sign of a; or from tables, 3 r."""
        if self.switches.lookup_tables:
            near, far = self.lookup(a, tanh_tables())
            (value, slope), (sign, inside) = near.columns, far.columns
            return self.add(sign, self.mul(inside, self.add(value, self.mul(slope, near.beyond))))
        sign = self.shift(self.scale(self.is_negative(a), -2), 1.0)
        decay = self.exp(self.scale(self.mul(a, sign), -2))
        ratio = self.divide(self.shift(self.scale(decay, -1), 1.0), self.shift(decay, 1.0), domain=(1.0, 2.0))
        return self.mul(ratio, sign)

    def gelu(self, a: Value) -> Value:
        """relu(a) - t (1 - Phi(t)) for t = abs(a), the tail by one power, 19 r, or by a polynomial, 8 r."""
        if self.switches.piecewise_gelu:
            return self._piecewise_gelu(a)
        size = self.sub(a, self.scale(self.mul(a, self.is_negative(a)), 2))
        linear, quadratic = (coefficient * 0.5**EXP_SQUARINGS for coefficient in _TAIL)
        exponent = self.add(self.scale(size, linear), self.scale(self.square(size), quadratic))
        half = 0.5 ** (0.5**EXP_SQUARINGS)
        base = self.shift(self.scale(exponent, -half), half)
        tail = self.mul(size, self._power(base, EXP_SQUARINGS))
        return self.sub(self.scale(self.add(a, size), 0.5), tail)

    def _piecewise_gelu(self, a: Value) -> Value:
        if self.switches.open_once:
            self.open(a)
        edges = (_GELU_EDGE, 0.0, -_GELU_EDGE)
        bits = self.is_negative(self.stack([self.shift(a, edge) for edge in edges]))
        far_below, negative, inside = (part[0] for part in (bits[:1], bits[1:2], bits[2:]))
        low, part, high = (self.mul(a, bit) for bit in (far_below, negative, inside))
        # abs(a) within the edges and the edge beyond them; the products are of bits and come without rounding
        size = self.add(self.sub(high, self.scale(part, 2)), low)
        beyond = self.shift(self.sub(far_below, inside), 1.0)
        t = self.add(size, self.scale(beyond, _GELU_EDGE))
        squared = self.square(t)
        powers = [t, squared, self.mul(t, squared), self.square(squared)]
        tail = self._weighted(powers, _GELU_TAIL[1:])
        return self.sub(self.sub(a, part), self.shift(tail, _GELU_TAIL[0]))

    def _weighted(self, values: Sequence[Value], factors: Sequence[float]) -> Value:
        total = self.scale(values[0], factors[0])
        for value, factor in zip(values[1:], factors[1:], strict=True):
            total = self.add(total, self.scale(value, factor))
        return total

    def _power(self, a: Value, squarings: int) -> Value:
        for _ in range(squarings):
            a = self.square(a)
        return a

    def _mul_both(self, a: Value, b: Value, factor: Value) -> tuple[Value, Value]:
        """Return a * factor and b * factor in one round."""
        products = self.mul(self.stack([a, b]), self.stack([factor, factor]))
        return products[0], products[1]

    def _two_minus(self, a: Value) -> Value:
        return self.shift(self.scale(a, -1), 2.0)

    def _one_minus(self, a: Value) -> Value:
        return self.shift(self.scale(a, -1), 1.0)
