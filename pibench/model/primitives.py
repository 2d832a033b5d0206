"""The primitives that the forward pass and every operator are written in.

An interpreter says what each primitive does: compute it in floats, run it on secret shares, or only count
what it would cost. Values are whatever the interpreter works on; they share torch's shape methods
(``shape``, ``reshape``, ``transpose``, indexing, ``sum``, ``+`` and ``-``).
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

Value = Any
Domain = tuple[float, float]

MASK_VALUE = -50.0
"""Added to masked scores in fixed point: inside the domain of every exponential, and enough for ordinary scores.

The lean engine's calibration reports scores for which it is not enough; in floats the mask is exact.
"""


@dataclass(frozen=True)
class Denominator:
    """The remaining divisor of attention weights: a value inside ``domain``, and a public number, if any."""

    value: Value
    domain: Domain
    public: torch.Tensor | None = None


class Interpreter(ABC):
    """Primitives, and the exact softmax, GELU and LayerNorm as default decompositions of them."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self.seconds: dict[str, float] = {}
        """Wall seconds spent in each scope, scopes inside it included."""

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Name the operator that the primitives inside belong to; scopes nest."""
        self._path.append(name)
        operator, start = self.operator, time.perf_counter()
        try:
            yield
        finally:
            self.seconds[operator] = self.seconds.get(operator, 0.0) + time.perf_counter() - start
            self._path.pop()

    @property
    def operator(self) -> str:
        """The current scope, as ``layer0.softmax``."""
        return ".".join(self._path)

    # Local primitives: free of communication on every engine.

    def add(self, a: Value, b: Value) -> Value:
        """Return a + b for two values."""
        return a + b

    def sub(self, a: Value, b: Value) -> Value:
        """Return a - b for two values."""
        return a - b

    def shift(self, a: Value, constant: float | torch.Tensor) -> Value:
        """Return a + constant for a public constant."""
        return a + constant

    def scale(self, a: Value, constant: float | torch.Tensor) -> Value:
        """Return a * constant for a public constant."""
        return a * constant

    def mask(self, a: Value, keep: torch.Tensor) -> Value:
        """Return a where the public 0/1 tensor ``keep`` is 1, else 0."""
        return a * keep

    def sum(self, a: Value, dim: int = -1) -> Value:
        """Return the sum over ``dim``, which stays as size 1."""
        return a.sum(dim, keepdim=True)

    def select(self, a: Value, indices: torch.Tensor) -> Value:
        """Return the elements of the last dimension at public ``indices`` of any shape, which replaces it."""
        return a[..., indices]

    def concat(self, values: Sequence[Value], dim: int) -> Value:
        """Join values along an existing dimension."""
        return torch.cat(list(values), dim)

    def stack(self, values: Sequence[Value]) -> Value:
        """Join values along a new first dimension."""
        return torch.stack(list(values))

    def dropout(self, a: Value) -> Value:
        """Drop activations while training; elsewhere the identity."""
        return a

    # Primitives that cost something on some engine.

    @abstractmethod
    def mul(self, a: Value, b: Value) -> Value:
        """Return a * b elementwise, with broadcasting."""

    @abstractmethod
    def square(self, a: Value) -> Value:
        """Return a * a elementwise."""

    @abstractmethod
    def matmul(self, a: Value, b: Value) -> Value:
        """Return the batched matrix product of two values."""

    @abstractmethod
    def linear(self, a: Value, weight: Value, bias: Value, parts: int = 1) -> Value:
        """Return a @ weight.T + bias; shapes (..., in), (out, in), (out,) -> (..., out).

        ``parts`` is the number of projections that ``weight`` joins.
        """

    @abstractmethod
    def relu(self, a: Value) -> Value:
        """Return max(a, 0)."""

    @abstractmethod
    def is_negative(self, a: Value) -> Value:
        """Return 1 where a < 0, else 0: a bit, whose product with a value is exact."""

    @abstractmethod
    def sines(self, a: Value, weights: Sequence[float], period: float) -> Value:
        """Return the sum over k = 1, 2, ... of weights[k - 1] sin(2 pi k a / period), the period a power of two."""

    @abstractmethod
    def exp(self, a: Value) -> Value:
        """Return e**a for a <= 0."""

    @abstractmethod
    def max(self, a: Value) -> Value:
        """Return the maximum over the last dimension, which stays as size 1."""

    @abstractmethod
    def divide(self, a: Value, b: Value, domain: Domain) -> Value:
        """Return a / b for b inside ``domain`` (positive); an engine may be wrong outside it."""

    @abstractmethod
    def inverse_sqrt(self, a: Value) -> Value:
        """Return a**-0.5 for positive a."""

    @abstractmethod
    def tanh(self, a: Value) -> Value:
        """Return the hyperbolic tangent."""

    @abstractmethod
    def gelu(self, a: Value) -> Value:
        """Return x * Phi(x), the exact GELU (Hendrycks & Gimpel 2016)."""

    def attention_scores(self, query: Value, key: Value, bias: Value | None = None) -> Value:
        """Return query @ key.T / sqrt(head size) + bias; shapes (..., seq, head size) -> (..., seq, seq).

        A ``bias`` has shape (heads, seq, seq).
        """
        scores = self.matmul(self.scale(query, query.shape[-1] ** -0.5), key.transpose(-1, -2))
        return scores if bias is None else self.add(scores, bias)

    def mask_scores(self, scores: Value, keep: torch.Tensor) -> Value:
        """Return scores that softmax turns to almost 0 where the public 0/1 mask is 0, by adding :data:`MASK_VALUE`."""
        return self.shift(scores, (1 - keep) * MASK_VALUE)

    def softmax(self, scores: Value, keep: torch.Tensor) -> tuple[Value, Denominator | None]:
        """Return the softmax over the last dimension as weights and their remaining divisor.

        ``keep`` is the public 0/1 mask, broadcastable.
        """
        scores = self.mask_scores(scores, keep)
        weights = self.exp(self.sub(scores, self.max(scores)))
        return weights, Denominator(self.sum(weights), (1.0, float(scores.shape[-1])))

    def normalise(self, a: Value, total: Denominator | None) -> Value:
        """Return a divided by ``total``, or a itself if there is none."""
        if total is None:
            return a
        a = self.divide(a, total.value, total.domain)
        return a if total.public is None else self.scale(a, 1 / total.public)

    def standardise(self, a: Value, eps: float) -> Value:
        """Return a less its mean, over its standard deviation, along the last dimension."""
        size = a.shape[-1]
        centred = self.sub(a, self.scale(self.sum(a), 1 / size))
        variance = self.scale(self.sum(self.square(centred)), 1 / size)
        return self.mul(centred, self.inverse_sqrt(self.shift(variance, eps)))

    def layer_norm(self, a: Value, weight: Value, bias: Value, eps: float) -> Value:
        """Return LayerNorm over the last dimension, with secret scale and shift."""
        return self.add(self.mul(self.standardise(a, eps), weight), bias)
