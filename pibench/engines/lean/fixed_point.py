"""Emulates two-party fixed point on plain tensors: its rounding, its wraps and its limits, without parties.

A value is a float64 tensor on the grid of 2**-f (f fractional bits); a bit is an int64 tensor, as the engines
keep bits without fractional bits, so that multiplying by one is exact. In the ring of 64 bits, a product
of two values (or of a value and a public constant) is an integer z with more fractional bits than a value has.
The engine divides it by some d (2**f for a product of two values) locally: each party divides its own signed
share, and the rounding is in opposite directions.

*Rounding.* The parties hold x and z - x, x uniform. Write x = q d + r. One rounds down to q; the other rounds
its share up, to -floor((x - z) / d) = -q + ceil((z - r) / d). With t = d - 1 - r the sum is floor((z + t) / d),
and t is uniform on 0 .. d - 1: stochastic rounding, floor(z / d + u) with u uniform on [0, 1). It is unbiased,
and exact where d divides z.

*Wraps.* Signed shares satisfy x + y = z, unless z - x leaves [-2**63, 2**63). For z >= 0 that happens for the
z + 1 shares x <= z - 2**63, and x + y = z - 2**64; for z < 0 for the -z - 1 shares x > z + 2**63, and
x + y = z + 2**64. So with probability |z| / 2**64 (within one share) the quotient is off by -sign(z) 2**64 / d.
In values: error = 2**(64 - f) / d, which is 2**(64 - 2 f) for a product of two values, and a wrap has the
probability |z / d| / error. For |z| >= 2**63 the ring itself overflows, and the engine's result is garbage.

Only divisions are checked: a sum beyond 2**(63 - f) passes here, but not through its next product. A float64 is
exact for what any sound model computes; of z beyond 2**53 it keeps the leading bits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch

from pibench.engines.engine import Emulation
from pibench.engines.lean.lookup import LookupTable
from pibench.engines.lean.lowering import Read, SecretSharing, public_factor
from pibench.engines.lean.switches import LEAN, Switches
from pibench.model.forward import forward
from pibench.model.module import Model
from pibench.model.parameters import Weights
from pibench.tasks.batches import ordered
from pibench.tasks.data import Split

RING = 2.0**64
_PIECE = 2**17
"""Elements processed at a time, so that they fit into the processor's cache."""


class FixedPoint(SecretSharing):
    """The lean engine's lowering with its rounding and wraps; deterministic by ``seed``.

    Weights are not folded. ``inject=False`` leaves wraps out (they are still expected): approximation, rounding and
    overflow remain. By operator: ``wraps`` counts the injected ones, ``expected_wraps`` sums their probabilities,
    ``overflows`` counts results beyond the ring. A wrap or an overflow makes garbage, which may overflow again.
    """

    def __init__(self, switches: Switches = LEAN, seed: int = 0, inject: bool = True) -> None:
        super().__init__(switches)
        self.wraps: Counter[str] = Counter()
        self.overflows: Counter[str] = Counter()
        self.expected_wraps: dict[str, float] = {}
        self._one = 2.0**switches.fraction_bits
        self._inject = inject
        self._rng = np.random.Generator(np.random.SFC64(seed))

    def encode(self, value: torch.Tensor) -> torch.Tensor:
        """Round floats to the nearest point of the grid, as the engine does."""
        return (value.detach().double() * self._one).round() / self._one

    def quantise(self, weights: Weights) -> Weights:
        """Round a model's secret weights to the grid, once for all batches; public coefficients are unchanged."""
        return weights.map(lambda parameter, value: value if parameter.public else self.encode(value))

    def mul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        product = a * b
        return product if _is_bit(a) or _is_bit(b) else self._truncated(product, self._one)

    def square(self, a: torch.Tensor) -> torch.Tensor:
        return self.mul(a, a)

    def matmul(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self._truncated(a @ b, self._one)

    def is_negative(self, a: torch.Tensor) -> torch.Tensor:
        return (a < 0).long()

    def sines(self, a: torch.Tensor, weights: Sequence[float], period: float) -> torch.Tensor:
        angle = a * (2 * math.pi / period)
        total = torch.stack([weight * (k * angle).sin() for k, weight in enumerate(weights, 1)]).sum(0)
        return self._truncated(total, self._one)

    def lookup(self, a: torch.Tensor, tables: Sequence[LookupTable]) -> list[Read]:
        """Read a table at one of the two neighbouring points; the nearer one is more likely."""
        reads = []
        for table in tables:
            index = (a / table.step + self._uniform(a.numel()).reshape(a.shape)).floor()
            columns = self.encode(table.columns)[:, index.long() % table.points]
            reads.append(Read(list(columns), a - index * table.step))
        return reads

    def shift(self, a: torch.Tensor, constant: float | torch.Tensor) -> torch.Tensor:
        constant = torch.as_tensor(constant, dtype=torch.float64)
        return a + (constant.round().long() if _is_bit(a) else self.encode(constant))

    def scale(self, a: torch.Tensor, constant: float | torch.Tensor) -> torch.Tensor:
        """Multiply by a public constant; integer constants, and constants times bits, are exact.

        Other constants are rounded to as many significant bits as a number has fractional bits.
        """
        if not isinstance(constant, torch.Tensor) and float(constant).is_integer():
            return a * int(constant)
        factor = torch.as_tensor(constant, dtype=torch.float64).detach()
        if _is_bit(a):
            return a * self.encode(factor)
        integer, bits = public_factor(factor, self.switches.fraction_bits)
        return self._truncated(a * (integer / 2.0**bits), 2.0**bits)

    # The inherited compositions, applied to as many rows at a time as fit into the cache.

    def exp(self, a: torch.Tensor) -> torch.Tensor:
        return _by_rows(super().exp, a)

    def max(self, a: torch.Tensor) -> torch.Tensor:
        return _by_rows(super().max, a)

    def gelu(self, a: torch.Tensor) -> torch.Tensor:
        return _by_rows(super().gelu, a)

    def layer_norm(self, a: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
        whole = super().layer_norm
        return _by_rows(lambda rows: whole(rows, weight, bias, eps), a)

    def _truncated(self, quotient: torch.Tensor, divisor: float) -> torch.Tensor:
        """Round the exact ``quotient`` by ``divisor`` to the grid, as two parties would; in place where it can."""
        quotient = quotient.contiguous()
        error = RING / self._one / divisor
        for piece in torch.split(quotient.view(-1), _PIECE):
            total = float(piece.abs().sum())
            if total >= error / 2:  # otherwise no single element can be beyond the ring
                total = self._fold_(piece, error)
            self._wrap_(piece, total, error)
            torch.add(self._uniform(piece.numel()), piece, alpha=self._one, out=piece)
            piece.floor_().mul_(1 / self._one)
        return quotient

    def _uniform(self, count: int) -> torch.Tensor:
        # 16 bits each: all that z has below the point at f = 16, and a quarter of the time that 64 bits take.
        words = self._rng.bit_generator.random_raw(-(-count // 4)).view(np.uint16)
        return torch.from_numpy(np.multiply(words[:count], 2.0**-16, dtype=np.float64))

    def _fold_(self, quotient: torch.Tensor, error: float) -> float:
        """Count elements beyond the ring and wrap them back; return the remaining sum of magnitudes."""
        if beyond := int((quotient.abs() >= error / 2).sum()):
            self.overflows[self.operator] += beyond
            quotient.sub_((quotient / error).round_(), alpha=error)
        return float(quotient.abs().sum())

    def _wrap_(self, quotient: torch.Tensor, total: float, error: float) -> None:
        expected = total / error
        self.expected_wraps[self.operator] = self.expected_wraps.get(self.operator, 0.0) + expected
        if not self._inject or not (hits := self._rng.poisson(expected)):
            return
        # Drawn with replacement: a probability p gives 1 - exp(-p), the same wherever results are worth having.
        odds = quotient.abs().cumsum(0)
        points = torch.from_numpy(self._rng.random(hits)) * odds[-1]
        places = torch.searchsorted(odds, points).unique()
        quotient[places] -= error * quotient[places].sign()
        self.wraps[self.operator] += len(places)


def _is_bit(a: torch.Tensor) -> bool:
    return not a.is_floating_point()


def _by_rows(function: Callable[[torch.Tensor], torch.Tensor], a: torch.Tensor) -> torch.Tensor:
    """Apply a function that acts on each row of the last dimension separately, in chunks of rows."""
    rows = a.reshape(-1, a.shape[-1])
    pieces = rows.split(max(1, _PIECE // a.shape[-1]))
    return torch.cat([function(piece) for piece in pieces]).reshape(*a.shape[:-1], -1)


@torch.no_grad()
def predict_fixed(
    model: Model,
    split: Split,
    pad_id: int,
    switches: Switches = LEAN,
    seed: int = 0,
    inject: bool = True,
    batch_size: int = 32,
) -> Emulation:
    """Predict what two parties would reveal for every example, in the split's own order."""
    ops = FixedPoint(switches, seed, inject)
    weights = ops.quantise(model.weights())
    logits = np.zeros((len(split), model.architecture.outputs), dtype=np.float32)
    for batch in ordered(split, batch_size, pad_id):
        embedded = ops.encode(model.embeddings(batch.input_ids, batch.token_type_ids))
        output = forward(ops, model.architecture, weights, embedded, batch.keep)
        logits[batch.indices] = output.logits.numpy()
    return Emulation(logits, dict(ops.wraps), ops.expected_wraps, dict(ops.overflows))
