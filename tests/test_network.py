import math

import pytest

from pibench.errors import InputError
from pibench.net.profiles import NETWORKS, Network, latency, parse_network


def test_profiles() -> None:
    links = {name: (network.name, network.bandwidth, network.rtt) for name, network in NETWORKS.items()}
    assert links == {
        "loopback": ("loopback", math.inf, 0.0),
        "lan": ("lan", 1e9, 1e-3),
        "wan": ("wan", 100e6, 40e-3),
        "nimbus-lan": ("nimbus-lan", 3e9, 1e-3),
        "nimbus-wan": ("nimbus-wan", 400e6, 10e-3),
        "ditto-lan": ("ditto-lan", 5e9, 0.4e-3),
        "ditto-wan": ("ditto-wan", 400e6, 40e-3),
    }


@pytest.mark.parametrize(
    ("text", "bandwidth", "rtt"),
    [
        ("WAN", 100e6, 40e-3),
        (" Ditto-LAN ", 5e9, 0.4e-3),
        ("3Gbit,1ms", 3e9, 1e-3),
        (" 400 Mbit/s, 10 ms ", 400e6, 10e-3),
        ("56.6kbit,0.2s", 56.6e3, 0.2),
        ("1gbit,500us", 1e9, 500e-6),
    ],
)
def test_parse(text: str, bandwidth: float, rtt: float) -> None:
    network = parse_network(text)
    assert (network.bandwidth, network.rtt) == pytest.approx((bandwidth, rtt))


@pytest.mark.parametrize(
    "text", ["", "moon", "3Gbit", "3,1ms", "0Mbit,1ms", "-1Gbit,1ms", "1.2.3Gbit,1ms", "infGbit,1ms"]
)
def test_refuses_anything_else(text: str) -> None:
    with pytest.raises(InputError, match=r"loopback, lan, wan.*'3Gbit,1ms'"):
        parse_network(text)


def test_latency() -> None:
    # 1.5 s, and 100 exchanges of two 10 ms round trips, and 8e6 bits at 4e6 bits/s.
    assert latency(Network("x", 4e6, 10e-3), 1.5, 1e6, 100) == pytest.approx(1.5 + 2.0 + 2.0)
    assert latency(Network("x", 4e6, 10e-3), 1.5, 1e6, 100, round_trips_per_round=1) == pytest.approx(4.5)
    assert latency(Network("x", 4e6, 10e-3), 1.5, 1e6, 100, round_trips_per_round=0.5) == pytest.approx(4.0)


def test_loopback_adds_nothing() -> None:
    assert latency(NETWORKS["loopback"], 1.5, 1e9, 1000) == 1.5
