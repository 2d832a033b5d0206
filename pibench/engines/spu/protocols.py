"""SPU's protocols: who takes part, what they trust, and how the runtime is set up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FRACTION_BITS = 18
LIMIT = 2.0**27
"""From this magnitude on, a product of numbers with 18 fractional bits wraps in a ring of 64 bits, without an error."""


@dataclass(frozen=True)
class Protocol:
    """One protocol in its recommended setting.

    ``rounds`` says whether send actions are rounds: CHEETAH's are pieces of ciphertexts, ABY3's differ by party. With
    ``private`` the client (party 0) owns the input and the server (party 1) the weights, instead of shares of both.
    """

    name: str
    parties: int
    security: Mapping[str, Any]
    offline: str
    rounds: bool = True
    private: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runtime(self) -> str:
        """The runtime's configuration as JSON, with profiles of operators switched on."""
        fixed = {"protocol": self.name.upper(), "field": "FM64", "fxp_fraction_bits": FRACTION_BITS}
        profiles = {"enable_pphlo_profile": True, "enable_hal_profile": True}
        return json.dumps(fixed | profiles | dict(self.settings))


_PUBLIC = "architecture, sequence length, attention mask, coefficients"
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "semi2k",
            2,
            {"parties": 2, "adversary": "semi-honest", "dealer": "trusted first party", "public": _PUBLIC},
            "not counted: dealer",
        ),
        Protocol(
            "cheetah",
            2,
            {"parties": 2, "adversary": "semi-honest", "public": _PUBLIC},
            "none: counted online",
            rounds=False,
            private=True,
            settings={
                "cheetah_2pc_config": {"enable_mul_lsb_error": True, "ot_kind": "YACL_Ferret"},
                "experimental_enable_colocated_optimization": True,
            },
        ),
        Protocol(
            "aby3",
            3,
            {"parties": 3, "adversary": "semi-honest, honest majority", "public": _PUBLIC},
            "none: counted online",
            rounds=False,
        ),
    )
}
"""In SEMI2K party 0 deals; SPU's wheel has no other dealer. CHEETAH is set up as OpenBumbleBee publishes it."""
CLIENT, SERVER = 0, 1
