"""A secret inside a program that JAX traces, with the shape methods that the forward pass uses."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pibench.engines.secret import Secret


class Traced(Secret):
    """Wraps a JAX array; public numbers and torch tensors in sums and products become constants of the program."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(self.array.shape)

    def reshape(self, *shape: int) -> Traced:
        """Return the same numbers in another shape."""
        return Traced(self.array.reshape(shape))

    def transpose(self, first: int, second: int) -> Traced:
        """Return a view with two dimensions swapped, as torch does."""
        return Traced(self.array.swapaxes(first, second))

    def sum(self, dim: int, keepdim: bool = False) -> Traced:
        """Return the sum over one dimension."""
        return Traced(self.array.sum(axis=dim, keepdims=keepdim))

    def __getitem__(self, index: Any) -> Traced:
        return Traced(self.array[index])

    def __add__(self, other: Any) -> Traced:
        return Traced(self.array + raw(other))

    def __sub__(self, other: Any) -> Traced:
        return Traced(self.array - raw(other))

    def __mul__(self, other: Any) -> Traced:
        return Traced(self.array * raw(other))

    def __neg__(self) -> Traced:
        return Traced(-self.array)


def raw(value: Any) -> Any:
    """Return what JAX takes: a traced array, or a public constant in single precision."""
    if isinstance(value, Traced):
        return value.array
    return np.asarray(value.detach() if isinstance(value, torch.Tensor) else value, dtype=np.float32)
