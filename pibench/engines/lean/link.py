"""The link between the two parties: in each round both send what they hold and both learn the sum."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch


class Link(ABC):
    """Opens shared tensors; one call is one round."""

    @abstractmethod
    def sum(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the sums of both parties' int64 tensors, in the 64-bit ring."""

    @abstractmethod
    def xor(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return both parties' integer tensors joined by XOR."""

    @abstractmethod
    def broadcast(self, tensor: torch.Tensor, owner: int) -> torch.Tensor:
        """Return the owner's tensor; the other party passes one of the same shape."""


class ShapesLink(Link):
    """A link without parties: reports the bytes that both would send to ``book``, and returns shapes."""

    def __init__(self, book: Callable[..., None] = lambda count, client_only=0: None) -> None:
        self._book = book

    def sum(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        self._book(2 * sum(part.nbytes for part in parts))
        return [torch.empty_like(part, memory_format=torch.contiguous_format) for part in parts]

    def xor(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        return self.sum(parts)

    def broadcast(self, tensor: torch.Tensor, owner: int) -> torch.Tensor:
        self._book(tensor.nbytes, client_only=tensor.nbytes if owner == 1 else 0)
        return tensor
