"""Divisors of attention weights: the number of keys that are kept, or the sum of the weights."""

from __future__ import annotations

import torch

from pibench.model.primitives import Denominator, Domain, Interpreter, Value


def kept_keys(keep: torch.Tensor) -> torch.Tensor:
    """Return the number of keys that the public 0/1 mask keeps, at least 1, with the last dimension as size 1."""
    return keep.sum(-1, keepdim=True).clamp(min=1)


def mean_of_kept(ops: Interpreter, weights: Value, keep: torch.Tensor, domain: Domain) -> Denominator:
    """Return the sum of the weights as their mean over the kept keys, in ``domain``, times the number of these."""
    kept = kept_keys(keep)
    return Denominator(ops.scale(ops.sum(weights), 1 / kept), domain, kept)
