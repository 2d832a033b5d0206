"""Batches of similar length: padding is wasted work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pibench.tasks.data import Split

_BUCKET = 50
"""Batches that are shuffled together before sorting by length inside training."""


@dataclass(frozen=True)
class Batch:
    """Padded examples: ids, segments and 0/1 mask (batch, seq), labels (batch,), and their indices in the split."""

    input_ids: torch.Tensor
    token_type_ids: torch.Tensor
    keep: torch.Tensor
    labels: torch.Tensor
    indices: np.ndarray

    def to(self, device: torch.device) -> Batch:
        """Return the batch with its tensors on ``device``."""
        ids, segments, keep = (part.to(device) for part in (self.input_ids, self.token_type_ids, self.keep))
        return Batch(ids, segments, keep, self.labels.to(device), self.indices)


def pad(split: Split, indices: Sequence[int] | np.ndarray, pad_id: int, length: int | None = None) -> Batch:
    """Collect the given examples, padded to the longest of them or to ``length``."""
    rows = [split.input_ids[i] for i in indices]
    segments = [split.token_type_ids[i] for i in indices]
    width = length or max(map(len, rows))
    return Batch(
        torch.tensor([[*row, *[pad_id] * (width - len(row))] for row in rows]),
        torch.tensor([[*row, *[0] * (width - len(row))] for row in segments]),
        torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]),
        split.labels[torch.as_tensor(np.asarray(indices))],
        np.asarray(indices),
    )


def ordered(split: Split, size: int, pad_id: int) -> Iterator[Batch]:
    """Yield every example once, the shortest first."""
    order = np.argsort([len(row) for row in split.input_ids], kind="stable")
    for start in range(0, len(order), size):
        yield pad(split, order[start : start + size], pad_id)


def shuffled(split: Split, size: int, pad_id: int, rng: np.random.Generator, examples: int) -> Iterator[Batch]:
    """Yield one epoch of at most ``examples`` random examples in batches of similar length."""
    order = rng.permutation(len(split))[:examples]
    batches: list[np.ndarray] = []
    for start in range(0, len(order), size * _BUCKET):
        bucket = order[start : start + size * _BUCKET]
        bucket = bucket[np.argsort([len(split.input_ids[i]) for i in bucket], kind="stable")]
        batches += [bucket[i : i + size] for i in range(0, len(bucket), size)]
    for index in rng.permutation(len(batches)):
        yield pad(split, batches[index], pad_id)
