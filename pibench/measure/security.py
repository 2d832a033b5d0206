"""What an engine's numbers stand for: parties, adversary, dealer, ring, and what is left public."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SECURITY: dict[str, dict[str, Any]] = {
    "crypten": {
        "parties": 2,
        "adversary": "semi-honest",
        "dealer": "trusted first party: stands in for the offline phase, no privacy against party 0",
        "ring_bits": 64,
        "public": "architecture, sequence length, attention mask, polynomial coefficients",
        "embedding": "at the client",
    },
}

DEALER = "dealer"
"""Where the offline phase's correlated randomness comes from."""

SCOPE = ["share input", "encoder", "head", "reveal to both parties"]
"""The stages inside the clock; weights are shared, and the dealer's tuples made, before."""


def in_words(security: Mapping[str, Any]) -> str:
    """Return adversary, parties and dealer of a security model in a few words."""
    dealer = ["trusted dealer"] if "dealer" in security else []
    return ", ".join([security["adversary"], f"{security['parties']} parties", *dealer])
