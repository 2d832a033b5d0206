"""Lowering of the primitives to two-party protocol steps on fixed-point shares.

The steps are Beaver products (``mul``, ``square``, ``matmul``) and one comparison (``negative``); all else is
local. The ledger and the CrypTen engine share this code, so that what is predicted is what runs. Rounds are
written as r.
"""

from __future__ import annotations

import math
from abc import abstractmethod

from pibench.interpreters.base import Domain, Interpreter, Value

EXP_SQUARINGS = 8
"""(1 + x / 256)**256: relative error x**2 / 512, at most 2.6e-3 in absolute terms on [-506, 0]."""

INVERSE_SQRT_DOMAIN = (0.08, 1024.0)
"""Wide, because a few tokens of real checkpoints have variances hundreds of times the median."""
_START_SQUARINGS = 8
_START = (107140 / 2**16, 75 / 2**16, 7125 / 2**16, 6 / 2**16)
"""a (1 - b x)**256 + c - d x: the start value whose worst error after the Newton steps is least on the domain.

Multiples of 2**-16, so that 16 fractional bits hold them exactly.
"""
_NEWTON_STEPS = 4

_TAIL = (0.76431926, 0.38369842)
"""1 - Phi(t) = 0.5 exp(-(p t + q t**2)) fitted for t >= 0: GELU's error is at most 7e-4, for |x| <= 34."""

_ACCURACY = 1e-5


class SecretSharing(Interpreter):
    """The fair lowering: the best one we have for additive shares with a dealer."""

    @abstractmethod
    def negative(self, a: Value) -> Value:
        """Return 1 where a < 0, else 0."""

    def linear(self, a: Value, weight: Value, bias: Value) -> Value:
        """Flatten the leading dimensions, so that one matrix product opens each operand once. 1 r."""
        rows = a.reshape(-1, a.shape[-1])
        product = self.matmul(rows, weight.transpose(0, 1))
        return self.add(product, bias).reshape(*a.shape[:-1], weight.shape[0])

    def relu(self, a: Value) -> Value:
        """Multiply by the sign bit. 9 r."""
        return self.sub(a, self.mul(a, self.negative(a)))

    def exp(self, a: Value) -> Value:
        """Square (1 + a / 256) eight times. 8 r; a must lie in [-506, 0]."""
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
        """Multiply a by 1 / b: Goldschmidt's iteration, then one Newton step against its rounding.

        b is first scaled by a power of two to around 1, where fixed point is most precise. Rounds grow with
        the logarithm of the domain's width.
        """
        low, high = domain
        centre = 2.0 ** round(math.log2(low * high) / 2)
        b = self.scale(b, 1 / centre)
        start = 2 * centre / (low + high)
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
        inverse = self.mul(inverse, self._two_minus(self.mul(b, inverse)))
        return self.scale(self.mul(a, inverse), 1 / centre)

    def inverse_sqrt(self, a: Value) -> Value:
        """Newton's iteration y (3 - a y**2) / 2, two rounds a step, from a start value without division. 16 r.

        The worst relative error on :data:`INVERSE_SQRT_DOMAIN` is 1.6e-3 before fixed-point rounding.
        """
        scale, slope, constant, decline = _START
        base = self.shift(self.scale(a, -slope), 1.0)
        y = self.shift(self.scale(self._power(base, _START_SQUARINGS), scale), constant)
        y = self.sub(y, self.scale(a, decline))
        for _ in range(_NEWTON_STEPS):
            squared, scaled = self._mul_both(y, a, y)
            y = self.sub(self.scale(y, 1.5), self.scale(self.mul(squared, scaled), 0.5))
        return y

    def tanh(self, a: Value) -> Value:
        """(1 - e**-2t) / (1 + e**-2t) for t = abs(a), with the sign of a."""
        sign = self.shift(self.scale(self.negative(a), -2), 1.0)
        decay = self.exp(self.scale(self.mul(a, sign), -2))
        ratio = self.divide(self.shift(self.scale(decay, -1), 1.0), self.shift(decay, 1.0), domain=(1.0, 2.0))
        return self.mul(ratio, sign)

    def gelu(self, a: Value) -> Value:
        """relu(a) - t (1 - Phi(t)) for t = abs(a), the tail by one power. 1 comparison, 19 r."""
        size = self.sub(a, self.scale(self.mul(a, self.negative(a)), 2))
        linear, quadratic = (coefficient * 0.5**EXP_SQUARINGS for coefficient in _TAIL)
        exponent = self.add(self.scale(size, linear), self.scale(self.square(size), quadratic))
        half = 0.5 ** (0.5**EXP_SQUARINGS)
        base = self.shift(self.scale(exponent, -half), half)
        tail = self.mul(size, self._power(base, EXP_SQUARINGS))
        return self.sub(self.scale(self.add(a, size), 0.5), tail)

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
