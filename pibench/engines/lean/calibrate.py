"""Finds, in floats, the inputs that lie outside the domains in which the secret-shared primitives are right."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from pibench.engines.lean.lookup import TANH_DOMAIN
from pibench.engines.lean.lowering import INVERSE_SQRT_DOMAIN, QUADRATIC_EXP_DOMAIN
from pibench.engines.lean.switches import LEAN, Switches
from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.model.primitives import Denominator, Domain, Interpreter
from pibench.tasks.batches import ordered
from pibench.tasks.data import Split

EXP_DOMAIN = (-506.0, 0.0)
GELU_DOMAIN = (-34.0, 34.0)
"""The domains of :meth:`SecretSharing.exp` from a linear start and of :meth:`SecretSharing.gelu` by a power."""
MASKED_HIGHEST = -20.0
"""How far a masked score must lie below the largest kept one: it then weighs less than 2.1e-9 of that one.

Even 1000 masked keys together then stay below the grid of 16 fractional bits.
"""
ANY = (-math.inf, math.inf)


@dataclass(frozen=True)
class Range:
    """The inputs of one primitive in one operator, such as ``inverse_sqrt`` in ``layer0.ffn_norm``.

    ``low`` and ``high`` are the extremes of ``count`` inputs, of which ``outside`` lie outside the domain of
    their own call. A domain that changes with the sequence length is given at its widest.
    """

    operator: str
    primitive: str
    low: float
    high: float
    domain_low: float
    domain_high: float
    outside: int
    count: int

    def __or__(self, other: Range) -> Range:
        return replace(
            self,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            domain_low=min(self.domain_low, other.domain_low),
            domain_high=max(self.domain_high, other.domain_high),
            outside=self.outside + other.outside,
            count=self.count + other.count,
        )


class Ranges(TorchInterpreter):
    """Runs the decompositions that the engine runs, in floats, and keeps every primitive's range in ``seen``.

    Scores have no domain, and are seen before they are masked. ``mask`` is a masked score less the largest kept one.
    """

    def __init__(self, switches: Switches = LEAN) -> None:
        super().__init__()
        self.seen: dict[tuple[str, str], Range] = {}
        self._exp_domain = QUADRATIC_EXP_DOMAIN if switches.quadratic_exp else EXP_DOMAIN
        reach = -self._exp_domain[0] / 2  # without tables, tanh takes the exponential of -2 abs(a)
        self._tanh_domain = TANH_DOMAIN if switches.lookup_tables else (-reach, reach)
        self._gelu_domain = ANY if switches.piecewise_gelu else GELU_DOMAIN

    def exp(self, a: torch.Tensor) -> torch.Tensor:
        self._see("exp", a, self._exp_domain)
        return super().exp(a)

    def divide(self, a: torch.Tensor, b: torch.Tensor, domain: Domain) -> torch.Tensor:
        self._see("divide", b, domain)
        return super().divide(a, b, domain)

    def inverse_sqrt(self, a: torch.Tensor) -> torch.Tensor:
        self._see("inverse_sqrt", a, INVERSE_SQRT_DOMAIN)
        return super().inverse_sqrt(a)

    def tanh(self, a: torch.Tensor) -> torch.Tensor:
        self._see("tanh", a, self._tanh_domain)
        return super().tanh(a)

    def gelu(self, a: torch.Tensor) -> torch.Tensor:
        self._see("gelu", a, self._gelu_domain)
        return super().gelu(a)

    def attention_scores(
        self, query: torch.Tensor, key: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        scores = super().attention_scores(query, key, bias)
        self._see("scores", scores, ANY)
        return scores

    def mask_scores(self, scores: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        masked, padding = Interpreter.mask_scores(self, scores, keep), (keep == 0).expand(scores.shape)
        if padding.any():
            largest_kept = scores.masked_fill(padding, torch.finfo(scores.dtype).min).amax(-1, keepdim=True)
            self._see("mask", (masked - largest_kept)[padding], (self._exp_domain[0], MASKED_HIGHEST))
        return masked

    def softmax(self, scores: torch.Tensor, keep: torch.Tensor) -> tuple[torch.Tensor, Denominator | None]:
        return Interpreter.softmax(self, scores, keep)

    def layer_norm(self, a: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
        return Interpreter.layer_norm(self, a, weight, bias, eps)

    def _see(self, primitive: str, value: torch.Tensor, domain: Domain) -> None:
        low, high = (float(extreme) for extreme in torch.aminmax(value))
        within = domain[0] <= low and high <= domain[1]
        # Negated, so that what is not a number counts as outside.
        outside = 0 if within else int((~((value >= domain[0]) & (value <= domain[1]))).sum())
        key = self.operator, primitive
        found = Range(*key, low, high, *domain, outside, value.numel())
        self.seen[key] = self.seen[key] | found if key in self.seen else found


@torch.no_grad()
def calibrate(model: Model, split: Split, pad_id: int, switches: Switches = LEAN, batch_size: int = 64) -> list[Range]:
    """Return every primitive's range over a split, in the order of the forward pass; a problem has ``outside`` > 0."""
    ops = Ranges(switches)
    for batch in ordered(split, batch_size, pad_id):
        model(batch.input_ids, batch.token_type_ids, batch.keep, ops)
    return list(ops.seen.values())
