"""The named switches of the lean engine: each saves bytes, rounds or time, and none changes what is computed."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Switches:
    """How primitives become protocol steps, and how these run.

    ``fraction_bits`` is the precision of a fixed-point number.
    """

    prefetch: bool = False
    """The dealer's tuples are made before the clock starts; in an audited run, which is untimed, when they are used."""
    two_products: bool = False
    """A Beaver product takes two local products instead of three."""
    fused_qkv: bool = False
    """Query, key and value are one matrix product."""
    squares: bool = False
    """A square opens its operand once."""
    folded_weights: bool = False
    """1/sqrt(head size) and LayerNorm's scale and shift are folded into the next weights, at the server."""
    weight_masks: bool = False
    """A weight is opened under one mask for the whole session, an activation under a fresh one each time."""
    known_weights: bool = False
    """The server multiplies by its weights in the clear: only the client sends, to the server.

    Has an effect only together with ``weight_masks``.
    """
    open_once: bool = False
    """A value that enters several products of one inference is opened once."""
    packed_comparison: bool = False
    """A comparison starts from the masked value and sends only the bits in use."""
    lookup_tables: bool = False
    """Inverse square root and reciprocal start from, and tanh is, a table that is read in one round."""
    piecewise_gelu: bool = False
    """GELU is ReLU minus a polynomial of degree 4, instead of minus a power."""
    quadratic_exp: bool = False
    """The exponential squares 1 + x + x**2 / 2 instead of 1 + x: rounding errors grow half as much."""
    fraction_bits: int = 16

    def without(self, name: str) -> Switches:
        """Return a copy with one switch off."""
        return replace(self, **{name: False})


NAMES = tuple(one.name for one in fields(Switches) if one.name != "fraction_bits")

LEAN = Switches(**dict.fromkeys(NAMES, True), fraction_bits=13)
"""Everything on. Thirteen fractional bits make truncation wraps 64 times rarer than sixteen."""

PLAIN = Switches()
"""Everything off: sixteen fractional bits, and the lowering that CrypTen's tensors share."""
