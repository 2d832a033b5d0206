from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from pibench.errors import InputError
from pibench.net import emulation
from pibench.net.emulation import End, available, emulated_link, enter_namespace
from pibench.net.profiles import NETWORKS, Network

ROOT = Path(__file__).resolve().parents[1]
WAN = NETWORKS["wan"]
PORT = 5000
SMALL, LARGE = 8, 5_000_000
UNAVAILABLE = available()
needs_root = pytest.mark.skipif(UNAVAILABLE is not None, reason=str(UNAVAILABLE))


def connect(end: End, other: End, rank: int, link: Connection) -> socket.socket:
    """Enter ``end`` and return a TCP connection to the other party; party 0 listens, and says so on ``link``."""
    enter_namespace(end.namespace)
    if rank == 0:
        with socket.create_server((end.address, PORT)) as server:
            link.send("listening")
            connection, _ = server.accept()
    else:
        connection = socket.create_connection((other.address, PORT))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def receive(connection: socket.socket, count: int) -> None:
    while count:
        count -= len(connection.recv(min(count, 1 << 20)))


def ping(connection: socket.socket, rank: int) -> float:
    """Return the seconds of a small message there and back; party 0 begins."""
    start = time.monotonic()
    if rank == 0:
        connection.sendall(bytes(SMALL))
    receive(connection, SMALL)
    if rank == 1:
        connection.sendall(bytes(SMALL))
    return time.monotonic() - start


def ping_and_send(ends: tuple[End, End], rank: int, link: Connection) -> None:
    """Send on ``link`` the best round-trip seconds, and when each transfer started (party 0) or arrived (party 1)."""
    with connect(ends[rank], ends[1 - rank], rank, link) as connection:
        round_trips = [ping(connection, rank) for _ in range(5)]
        link.send((min(round_trips), [transfer(connection, rank) for _ in range(3)]))


def transfer(connection: socket.socket, rank: int) -> float:
    """Send from party 0 to party 1; return when it started (party 0) or when all had arrived (party 1)."""
    if rank == 0:
        start = time.monotonic()
        connection.sendall(bytes(LARGE))
        receive(connection, 1)
        return start
    receive(connection, LARGE)
    arrival = time.monotonic()
    connection.sendall(b"x")
    return arrival


@pytest.fixture(scope="module")
def measured() -> Iterator[tuple[float, list[float]]]:
    """The best round trip on the WAN, and the time of three transfers one way, in seconds."""
    context = multiprocessing.get_context("spawn")
    with emulated_link(WAN) as ends:
        parties, links = [], []
        for rank in (0, 1):
            ours, theirs = context.Pipe()
            parties.append(context.Process(target=ping_and_send, args=(ends, rank, theirs), daemon=True))
            parties[-1].start()
            links.append(ours)
            if rank == 0:
                assert ours.poll(20) and ours.recv() == "listening"
        assert all(link.poll(20) for link in links)
        (round_trip, starts), (_, arrivals) = (link.recv() for link in links)
        for party in parties:
            party.join(20)
        yield round_trip, [arrival - start for start, arrival in zip(starts, arrivals, strict=True)]


@needs_root
def test_round_trip(measured: tuple[float, list[float]]) -> None:
    round_trip, _ = measured
    assert WAN.rtt <= round_trip < 1.1 * WAN.rtt + 2e-3


@needs_root
def test_transfer_takes_bandwidth_and_delay(measured: tuple[float, list[float]]) -> None:
    _, (_warm_up, *transfers) = measured
    assert min(transfers) == pytest.approx(WAN.rtt / 2 + LARGE * 8 / WAN.bandwidth, rel=0.1)


def namespaces() -> set[str]:
    return {path.name for path in Path("/run/netns").glob(f"pibench-{os.getpid()}-*")}


@needs_root
@pytest.mark.parametrize("problem", [None, ValueError, KeyboardInterrupt])
def test_nothing_is_left(problem: type[BaseException] | None) -> None:
    def body() -> None:
        with emulated_link(WAN) as first, emulated_link(WAN) as second:
            assert len(namespaces() - before) == len({end.namespace for end in (*first, *second)}) == 4
            if problem is not None:
                raise problem

    before = namespaces()
    if problem is None:
        body()
    else:
        with pytest.raises(problem):
            body()
    assert namespaces() == before


@needs_root
def test_nothing_is_left_of_a_killed_process() -> None:
    program = (
        "import os, pibench.net.emulation as e\n"
        f"with e.emulated_link(e.Network('wan', {WAN.bandwidth}, {WAN.rtt})) as ends:\n"
        "    print(*(end.namespace for end in ends), ends[0].interface, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    *names, interface = done.stdout.split()
    if interface != "tun0":
        pytest.skip("nothing outlives the process to clean up after it where netem makes the link")
    left = time.monotonic() + 5
    while any(Path("/run/netns", name).exists() for name in names):
        assert time.monotonic() < left
        time.sleep(0.01)


@needs_root
def test_a_failed_set_up_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = namespaces()
    monkeypatch.setattr(emulation, "_SYSCTLS", ("net.ipv4.no_such_setting=1",))
    with pytest.raises(InputError, match="no_such_setting"), emulated_link(WAN):
        pass
    assert namespaces() == before


@pytest.mark.parametrize(
    ("platform", "user", "missing", "message"),
    [
        ("darwin", 0, "", "needs Linux: run on Linux"),
        ("linux", 1000, "", "needs root: run as root"),
        ("linux", 0, "ip", "needs the command `ip`: install iproute2"),
        ("linux", 0, "sysctl", "needs the command `sysctl`: install procps"),
    ],
)
def test_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, platform: str, user: int, missing: str, message: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(shutil, "which", lambda command: None if command == missing else command)
    with pytest.raises(InputError, match=message), emulated_link(WAN):
        pass


@needs_root
def test_says_that_the_kernel_has_neither_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(emulation, "_has_netem", lambda _: False)
    monkeypatch.setattr(emulation, "_TUN", tmp_path / "tun")
    assert str(available()).endswith("(No such file or directory): load the kernel module sch_netem or tun")


def test_unknown_namespace() -> None:
    with pytest.raises(InputError, match="cannot open network namespace 'pibench-none'"):
        enter_namespace("pibench-none")


@pytest.mark.parametrize(
    ("network", "queue"),
    [(WAN, "delay 20000us rate 100000000bit"), (NETWORKS["loopback"], "delay 0us")],
)
def test_netem_gets_the_profile_one_way(monkeypatch: pytest.MonkeyPatch, network: Network, queue: str) -> None:
    commands: list[str] = []
    monkeypatch.setattr(emulation, "_run", lambda *command: commands.append(" ".join(command)))
    assert emulation.connect_netem(["a", "b"], network) == "veth0"
    assert commands[1:] == [f"tc -n {name} qdisc add dev veth0 root netem limit 1000000 {queue}" for name in ("a", "b")]


def test_packets_leave_one_after_the_other() -> None:
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    (source, entry), (leave, sink) = pairs
    for end in (entry, sink):
        end.setblocking(False)
    direction = emulation._Direction(entry.fileno(), leave.fileno(), bandwidth=8e6, delay=0.02)
    packets = [bytes([number]) * 1000 for number in range(3)]
    start = time.monotonic()
    for packet in packets:
        source.send(packet)
    direction.receive()
    due = [time for time, _ in direction.queue]
    assert due[0] >= start + 0.001 + direction.delay
    assert all(later - earlier >= 0.000999 for earlier, later in itertools.pairwise(due))
    while (next_due := direction.deliver()) != math.inf:
        time.sleep(max(0.0, next_due - time.monotonic()))
    assert time.monotonic() >= due[-1]
    assert [sink.recv(2000) for _ in packets] == packets
    for pair in pairs:
        for end in pair:
            end.close()
