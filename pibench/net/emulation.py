"""An emulated link: two Linux network namespaces, joined at a network profile's bandwidth and delay.

Where the kernel has ``netem``, it delays the packets of a veth pair. Elsewhere a program in user space does, between
two TUN devices: ``python -m pibench.net.emulation`` (started by :func:`emulated_link`, never by hand). It adds 0.1 to
0.5 ms to an exchange of small messages: within 3 % on the WAN, a quarter too slow at 1 ms round trip.

The link is full duplex, loses nothing and queues without limit: a packet of n bytes occupies its direction for
n * 8 / bandwidth seconds and arrives rtt / 2 seconds later. The namespaces' TCP is set so that measurements show
this link, as between long-lived parties, and not TCP's search for the link's capacity:

- Packets of 64 KiB: headers take 0.1 % of the bandwidth, and the program in user space keeps up with 1 Gbit/s. Use
  ``TCP_NODELAY``; without it Nagle's algorithm holds back data that does not fill such a packet.
- 64 MiB socket buffers from the start, a large first congestion window, Reno (which never leaves slow start where
  nothing is lost; BBR paces) and no new slow start after an idle time. Sockets that set their own buffer size undo
  this.
- No tail loss probes, and no retransmission within 30 s: an acknowledgement may wait behind megabytes of the other
  direction, and nothing is ever lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import os
import select
import shutil
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pibench import CHECKOUT
from pibench.errors import InputError
from pibench.net.profiles import Network

_NAMESPACES = Path("/run/netns")
_TUN = Path("/dev/net/tun")
_ADDRESSES = ("10.77.0.1", "10.77.0.2")
_SUBNET = "10.77.0.0/30"
_MTU = 65535
_BATCH = 16
_SYSCTLS = (
    "net.ipv4.tcp_congestion_control=reno",
    "net.ipv4.tcp_slow_start_after_idle=0",
    "net.ipv4.tcp_early_retrans=0",
    "net.ipv4.tcp_rmem=4096 67108864 67108864",
    "net.ipv4.tcp_wmem=4096 67108864 67108864",
)
_CLONE_NEWNET = 0x40000000
_PR_SET_TIMERSLACK = 29
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001


@dataclass(frozen=True)
class End:
    """One end of a link: a network namespace, the name of its interface (for gloo's sake) and its own IPv4 address."""

    namespace: str
    address: str
    interface: str


def available() -> str | None:
    """Return the reason why no link can be emulated here, as one sentence, or None if it can."""
    if sys.platform != "linux":
        return "an emulated link needs Linux: run on Linux, or use the modelled latency"
    if os.geteuid() != 0:
        return "an emulated link needs root: run as root, or use the modelled latency"
    for command, package in (("ip", "iproute2"), ("sysctl", "procps")):
        if shutil.which(command) is None:
            return f"an emulated link needs the command `{command}`: install {package}"
    return _probe()


@contextlib.contextmanager
def emulated_link(network: Network) -> Iterator[tuple[End, End]]:
    """Yield the two ends of a new link with the bandwidth and delay of ``network``.

    Everything is removed at the end, also after an error; only with netem do the namespaces outlive a killed process.
    Links are independent of each other, within one process and between processes.

    Raises:
        InputError: this machine cannot emulate a link; the sentence says what is missing.
    """
    reason = available()
    if reason is not None:
        raise InputError(reason)
    with contextlib.ExitStack() as stack:
        namespaces = [_add_namespace(stack) for _ in _ADDRESSES]
        if _has_netem(namespaces[0]):
            interface = connect_netem(namespaces, network)
        else:
            interface = _connect_tun(stack, namespaces, network)
        first, second = (End(*end, interface) for end in zip(namespaces, _ADDRESSES, strict=True))
        _configure(first)
        _configure(second)
        yield first, second


def enter_namespace(name: str) -> None:
    """Move the calling thread, and the threads and processes that it starts from now on, into a network namespace.

    Call it first thing in a new process: threads and sockets that exist already stay where they are.

    Raises:
        InputError: there is no such namespace, or this process may not enter it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        descriptor = os.open(_NAMESPACES / name, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"cannot open network namespace {name!r}: {error.strerror}; is its link still up?") from error
    try:
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            problem = os.strerror(ctypes.get_errno())
            raise InputError(f"cannot enter network namespace {name!r}: {problem}; run as root")
    finally:
        os.close(descriptor)


def _run(*command: str) -> None:
    """Run a set-up command.

    Raises:
        InputError: it failed; the sentence quotes its output.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise InputError(f"cannot emulate a link here: `{' '.join(command)}` said {said!r}: check this user's rights")


def _add_namespace(stack: contextlib.ExitStack) -> str:
    """Return the name of a new namespace, which ends with ``stack``."""
    name = f"pibench-{os.getpid()}-{os.urandom(4).hex()}"
    stack.callback(_delete_namespace, name)  # first, since Ctrl-C may come while `ip` adds it
    _run("ip", "netns", "add", name)
    return name


def _delete_namespace(name: str) -> None:
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _probe() -> str | None:
    """Return why no namespace or no delayed device can be made here, or None."""
    try:
        with contextlib.ExitStack() as stack:
            if not _has_netem(_add_namespace(stack)):
                os.close(os.open(_TUN, os.O_RDWR))
    except InputError as error:
        return str(error)
    except OSError as error:
        return f"an emulated link needs netem or {_TUN} ({error.strerror}): load the kernel module sch_netem or tun"
    return None


def _has_netem(namespace: str) -> bool:
    """Return whether this kernel takes a netem queue, as tried on the loopback device of ``namespace``."""
    try:
        _run("tc", "-n", namespace, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
        _run("tc", "-n", namespace, "qdisc", "delete", "dev", "lo", "root")
    except (InputError, FileNotFoundError):
        return False
    return True


def connect_netem(namespaces: list[str], network: Network) -> str:
    """Join two namespaces by a veth pair with a netem queue on each side; return both interfaces' name."""
    first, second = namespaces
    _run("ip", "-n", first, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", second)
    rate = [] if math.isinf(network.bandwidth) else ["rate", f"{network.bandwidth:.0f}bit"]
    queue = ["netem", "limit", "1000000", "delay", f"{network.rtt / 2 * 1e6:.0f}us", *rate]
    for namespace in namespaces:
        _run("tc", "-n", namespace, "qdisc", "add", "dev", "veth0", "root", *queue)
    return "veth0"


def _connect_tun(stack: contextlib.ExitStack, namespaces: list[str], network: Network) -> str:
    """Join two namespaces by TUN devices and the delay program, which ends with ``stack``; return the devices' name."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pibench.net.emulation", *namespaces, repr(network.bandwidth), repr(network.rtt / 2)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=CHECKOUT,  # so that `-m` finds this package
        start_new_session=True,  # Ctrl-C is the parent's to handle
    )
    stack.callback(_stop, process)
    assert process.stdout is not None and process.stderr is not None
    if not process.stdout.readline():
        said = process.stderr.read().decode().strip().rsplit("\n", 1)[-1]
        raise InputError(f"cannot emulate a link here: the delay program said {said!r}: check the rights to {_TUN}")
    return "tun0"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def _configure(end: End) -> None:
    """Bring one end up, with the TCP settings that the module's docstring explains."""
    _run("ip", "netns", "exec", end.namespace, "sysctl", "-q", "-w", *_SYSCTLS)
    ip = ("ip", "-n", end.namespace)
    _run(*ip, "link", "set", "lo", "up")
    _run(*ip, "link", "set", end.interface, "mtu", str(_MTU), "txqueuelen", "10000", "up")
    _run(*ip, "address", "add", f"{end.address}/30", "dev", end.interface)
    tcp = ("initcwnd", "1000", "rto_min", "30s")
    _run(*ip, "route", "replace", _SUBNET, "dev", end.interface, "src", end.address, *tcp)


@dataclass
class _Direction:
    """Packets on their way from one TUN device to another; times in seconds of ``time.monotonic``."""

    source: int
    sink: int
    bandwidth: float
    delay: float
    free_at: float = 0.0
    queue: deque[tuple[float, bytes]] = field(default_factory=deque)

    def receive(self) -> None:
        """Queue what the source has to send, up to a batch of packets."""
        for _ in range(_BATCH):
            try:
                packet = os.read(self.source, _MTU)
            except BlockingIOError:
                return
            self.free_at = max(self.free_at, time.monotonic()) + len(packet) * 8 / self.bandwidth
            self.queue.append((self.free_at + self.delay, packet))

    def deliver(self) -> float:
        """Hand over the packets that are due; return the time at which the next one is."""
        while self.queue and self.queue[0][0] <= time.monotonic():
            # The kernel sends on a device that is up before the other one is; those packets may be lost.
            with contextlib.suppress(OSError):
                os.write(self.sink, self.queue[0][1])
            self.queue.popleft()
        return self.queue[0][0] if self.queue else math.inf


def _open_tun(namespace: str) -> int:
    """Return the descriptor of a new TUN device ``tun0`` in ``namespace``, which this process enters."""
    from fcntl import ioctl  # not on Windows, where this module can be imported all the same

    enter_namespace(namespace)
    descriptor = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
    ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", b"tun0", _IFF_TUN_NO_PI))
    return descriptor


def _forward(directions: list[_Direction], parent: int) -> None:
    """Move packets until ``parent``, a pipe from the process that started this one, is closed."""
    readers = {direction.source: direction for direction in directions}
    while True:
        due = min(direction.deliver() for direction in directions)
        timeout = None if due == math.inf else max(0.0, due - time.monotonic())
        ready, _, _ = select.select([*readers, parent], [], [], timeout)
        if parent in ready:
            return
        for descriptor in ready:
            readers[descriptor].receive()


def main() -> None:
    """Run the delay program: arguments are two namespaces, the bandwidth in bits/s and the one-way delay in seconds."""
    *namespaces, bandwidth, delay = sys.argv[1:]
    first, second = (_open_tun(namespace) for namespace in namespaces)
    # A wire does not wait for the parties' processes: timers to the microsecond, and the processor when they fire.
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    gc.disable()
    print("ready", flush=True)
    ends = ((first, second), (second, first))
    _forward([_Direction(source, sink, float(bandwidth), float(delay)) for source, sink in ends], sys.stdin.fileno())
    for namespace in namespaces:  # the parent was killed, and cannot
        _delete_namespace(namespace)


if __name__ == "__main__":
    main()
