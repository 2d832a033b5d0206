"""Network profiles, and the latency that a profile adds to measured compute, bytes and rounds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from pibench.errors import InputError

_LINK = re.compile(
    r"(?P<rate>\d+(?:\.\d+)?)\s*(?P<prefix>[kmg])bit(?:/s)?\s*,\s*(?P<rtt>\d+(?:\.\d+)?)\s*(?P<unit>us|ms|s)",
    re.IGNORECASE,
)
_PREFIXES = {"k": 1e3, "m": 1e6, "g": 1e9}
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Network:
    """A link between the parties: ``bandwidth`` in bits/s each way, ``rtt`` in seconds."""

    name: str
    bandwidth: float
    rtt: float


# The papers' links are as stated in Nimbus (NeurIPS 2024) and Ditto (ICML 2024); their latency is taken as round trip.
NETWORKS = {
    network.name: network
    for network in (
        Network("loopback", math.inf, 0.0),
        Network("lan", 1e9, 1e-3),
        Network("wan", 100e6, 40e-3),
        Network("nimbus-lan", 3e9, 1e-3),
        Network("nimbus-wan", 400e6, 10e-3),
        Network("ditto-lan", 5e9, 0.4e-3),
        Network("ditto-wan", 400e6, 40e-3),
    )
}


MODELLED = ("lan", "wan")
"""The links of every table of latencies, beside loopback, which is measured."""


def parse_network(text: str) -> Network:
    """Return the profile named ``text``, or the link that it spells out, such as ``"400 Mbit/s, 10 ms"``.

    Raises :class:`InputError` for anything else.
    """
    stripped = text.strip()
    if stripped.lower() in NETWORKS:
        return NETWORKS[stripped.lower()]
    match = _LINK.fullmatch(stripped)
    if match is None or float(match["rate"]) == 0:
        raise InputError(
            f"{text!r} is not a network: give one of {', '.join(NETWORKS)}, "
            "or a bandwidth above zero and a round-trip time, such as '3Gbit,1ms'"
        )
    bandwidth = float(match["rate"]) * _PREFIXES[match["prefix"].lower()]
    return Network(stripped, bandwidth, float(match["rtt"]) * _UNITS[match["unit"].lower()])


def latency(
    network: Network,
    compute_s: float,
    bytes_one_way: float,
    rounds: float,
    round_trips_per_round: float = 2.0,
) -> float:
    """Return the seconds of one inference on ``network``: modelled, not measured.

    ``compute_s`` is the time outside the communicator in seconds, ``bytes_one_way`` what one party sends, and
    ``rounds`` the sequential exchanges. ``round_trips_per_round`` depends on the transport, as measured on an
    emulated WAN: 2 for a gloo all_reduce, 1 for a gloo all_gather, and 0.5 for a raw full-duplex exchange, in
    which both parties send at once and then wait for one one-way delay.
    """
    return compute_s + rounds * round_trips_per_round * network.rtt + bytes_one_way * 8 / network.bandwidth
