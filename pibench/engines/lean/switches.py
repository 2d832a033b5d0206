"""The named switches of the lean engine: each saves bytes, rounds or time, and none changes what is computed."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Switches:
    """How primitives become protocol steps, and how these run.

    Without ``direct_shares`` CrypTen's own tensors run the lowering, and only ``plain_config``, ``raw_sockets``
    and ``prefetch`` act on them. ``fraction_bits`` is the precision of a fixed-point number.
    """

    plain_config: bool = False
    """CrypTen's settings are looked up in a plain object instead of through OmegaConf."""
    raw_sockets: bool = False
    """One full-duplex exchange over a TCP socket a round, instead of gloo's all_reduce."""
    prefetch: bool = False
    """The dealer's tuples are made before the clock starts."""
    direct_shares: bool = False
    """Protocol steps work on the shares, in place and by shifts, without CrypTen's tensor classes."""
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
    """The server multiplies by its weights as it knows them: the client alone sends, and to the server alone.

    Acts with ``weight_masks`` only.
    """
    open_once: bool = False
    """A value that enters several products of one inference is opened once."""
    packed_comparison: bool = False
    """A comparison starts from the masked value and sends its live bits only."""
    lookup_tables: bool = False
    """Inverse square root and reciprocal start from, and tanh is, a table that is read in one round."""
    piecewise_gelu: bool = False
    """GELU is ReLU less a polynomial of degree 4, instead of less a power."""
    quadratic_exp: bool = False
    """The exponential squares 1 + x + x**2 / 2 instead of 1 + x: rounding errors grow half as much."""
    fraction_bits: int = 16

    def __post_init__(self) -> None:
        if not self.direct_shares and (needless := [name for name in NEED_DIRECT_SHARES if getattr(self, name)]):
            raise ValueError(f"{', '.join(needless)} need direct_shares: CrypTen's own tensors do not have them")

    @property
    def round_trips(self) -> float:
        """Round trips of the network that one round takes."""
        return 0.5 if self.raw_sockets else 2.0

    def without(self, name: str) -> Switches:
        """Return a copy with one switch off."""
        return replace(self, **{name: False})


NAMES = tuple(field.name for field in fields(Switches) if field.name != "fraction_bits")
NEED_DIRECT_SHARES = NAMES[4:]

CRYPTEN = Switches(prefetch=True)
"""CrypTen as it is: its own tensors, transport and 16 fractional bits, and its dealer's work done before."""

CRYPTEN_STEPS = Switches(direct_shares=True, fused_qkv=True, squares=True)
"""The protocol steps, and so the bytes and rounds, of the fair lowering on CrypTen's own tensors."""

LEAN = Switches(**dict.fromkeys(NAMES, True), fraction_bits=13)
"""Everything on. Thirteen fractional bits make truncation wraps 64 times rarer than sixteen."""
