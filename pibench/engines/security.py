"""Security models of engines: dealers, and a short description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pibench.engines.engine import DealerKind

DEALERS: dict[DealerKind, str] = {
    "first-party": "trusted first party: stands in for the offline phase, no privacy against party 0",
    "third-party": "trusted third party: a process of its own, which must not collude with a party",
}

SCOPE = ["share input", "encoder", "head", "reveal to both parties"]
"""The stages inside the clock; weights are shared, and the dealer's tuples made, before."""


def two_parties(dealer: DealerKind) -> dict[str, Any]:
    """Return the security model of two semi-honest parties with a dealer, in the ring of 64 bits."""
    return {
        "parties": 2,
        "adversary": "semi-honest",
        "dealer": DEALERS[dealer],
        "ring_bits": 64,
        "public": "architecture, sequence length, attention mask, polynomial coefficients",
        "embedding": "at the client",
    }


def is_benchmark_only(security: Mapping[str, Any]) -> bool:
    """Say whether party 0 is the dealer and could undo every mask: such an engine is for benchmarks only."""
    return str(security.get("dealer", "")).startswith("trusted first party")


def in_words(security: Mapping[str, Any]) -> str:
    """Return adversary, parties and dealer of a security model in a few words."""
    words = [security["adversary"], f"{security['parties']} parties"]
    if "dealer" in security:
        words.append("first-party dealer: benchmark only" if is_benchmark_only(security) else "third-party dealer")
    return ", ".join(words)
