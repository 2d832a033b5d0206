"""The primitives as jax.numpy, which SPU compiles to a protocol."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import torch

from pibench.engines.spu.traced import Traced
from pibench.model.primitives import Domain, Interpreter


class SpuInterpreter(Interpreter):
    """Traces the forward pass; primitives that SPU would lower at many times the bytes are written out.

    GELU is the tanh form, which differs from GELU by 5e-4 (by erf it sends five times as much), and a division is a
    product with the reciprocal, which is taken before broadcasting.
    """

    def mul(self, a: Traced, b: Traced) -> Traced:
        return Traced(a.array * b.array)

    def square(self, a: Traced) -> Traced:
        return Traced(jnp.square(a.array))

    def matmul(self, a: Traced, b: Traced) -> Traced:
        return Traced(jnp.matmul(a.array, b.array))

    def linear(self, a: Traced, weight: Traced, bias: Traced, parts: int = 1) -> Traced:
        return Traced(jnp.matmul(a.array, weight.array.T) + bias.array)

    def relu(self, a: Traced) -> Traced:
        return Traced(jnp.maximum(a.array, 0))

    def is_negative(self, a: Traced) -> Traced:
        return Traced((a.array < 0).astype(jnp.float32))

    def sines(self, a: Traced, weights: Sequence[float], period: float) -> Traced:
        angle = a.array * (2 * math.pi / period)
        return Traced(sum(weight * jnp.sin(k * angle) for k, weight in enumerate(weights, 1)))

    def exp(self, a: Traced) -> Traced:
        return Traced(jnp.exp(a.array))

    def max(self, a: Traced) -> Traced:
        return Traced(a.array.max(axis=-1, keepdims=True))

    def divide(self, a: Traced, b: Traced, domain: Domain) -> Traced:
        return Traced(a.array * (1 / b.array))

    def inverse_sqrt(self, a: Traced) -> Traced:
        return Traced(jax.lax.rsqrt(a.array))

    def tanh(self, a: Traced) -> Traced:
        return Traced(jnp.tanh(a.array))

    def gelu(self, a: Traced) -> Traced:
        return Traced(jax.nn.gelu(a.array, approximate=True))

    def select(self, a: Traced, indices: torch.Tensor) -> Traced:
        return Traced(a.array[..., indices.numpy()])

    def concat(self, values: Sequence[Traced], dim: int) -> Traced:
        return Traced(jnp.concatenate([value.array for value in values], axis=dim))

    def stack(self, values: Sequence[Traced]) -> Traced:
        return Traced(jnp.stack([value.array for value in values]))
