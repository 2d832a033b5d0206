"""Faults of a party: it dies, hangs, slows down, runs out of memory, or is not the expected one."""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import trustme

from pibench.net.processes import free_port
from pibench.testing.runs import TRACEBACK, Outcome, Run, bench, found, party

Fault = Callable[[Path, Path, random.Random], Outcome]
"""Injects a fault into a run in a folder, on a backbone, at a moment drawn from the generator."""

_STRIKE_WITHIN_S = 3.0
_MEMORY_LEFT = 8 << 20


def _struck(folder: Path, backbone: Path, strike: Callable[[Run], None], draw: random.Random, *options: str) -> Outcome:
    """Inject a fault once the parties run: at most one cell fails, with a reason, and all others finish."""
    run = bench(folder, backbone, *options)
    expected = 3 if "--dealer=third-party" in options else 2
    if not run.until(lambda: len(run.parties()) == expected):
        return Outcome(False, "no parties came", run.orphans())
    time.sleep(draw.uniform(0, _STRIKE_WITHIN_S))
    strike(run)
    return judged(run, folder, 1)


def judged(run: Run, folder: Path, most: int, least: int = 0) -> Outcome:
    """Wait for a run's end: between ``least`` and ``most`` cells fail, each with a reason, and the others finish."""
    status, orphans = run.end(), run.orphans()
    cells = found(folder)
    failed = [str(record["error"]) for record in cells.values() if record["status"] != "ok"]
    survived = status == int(bool(failed)) and least <= len(failed) <= most and len(cells) > len(failed)
    saw = failed[0] if failed else "nothing: all cells finished"
    return Outcome(survived and all(failed), saw, orphans, run.said.count(TRACEBACK))


def signalled(rank: int, number: signal.Signals, *options: str) -> Fault:
    """Return the fault of a party that gets a signal."""

    def strike(run: Run) -> None:
        parties = run.parties()
        if rank < len(parties):  # between two cells new parties may be starting
            os.kill(parties[rank], number)

    return lambda folder, backbone, draw: _struck(folder, backbone, strike, draw, *options)


def out_of_memory(folder: Path, backbone: Path, draw: random.Random) -> Outcome:
    """Leave the server hardly more memory than it already uses."""

    def strike(run: Run) -> None:
        server = run.parties()[0]
        pages = int(Path(f"/proc/{server}/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + _MEMORY_LEFT
        resource.prlimit(server, resource.RLIMIT_AS, (most, most))

    return _struck(folder, backbone, strike, draw)


def slow(folder: Path, backbone: Path, draw: random.Random) -> Outcome:
    """Let the client run for one hundredth of a second out of every ten; nothing fails."""
    run = bench(folder, backbone)
    while run.process.poll() is None:
        for number, seconds in ((signal.SIGSTOP, 0.09), (signal.SIGCONT, 0.01)):
            for client in run.parties()[1:2]:
                os.kill(client, number)
            time.sleep(seconds * draw.uniform(0.5, 1.5))
    return judged(run, folder, 0)


_GARBAGE = """
import secrets, socket, sys
from pathlib import Path
import torch
from pibench.engines.lean.remote import called
from pibench.engines.lean.messages import Channel
from pibench.net.tls import shake_hands, tls_context
address, folder = ("127.0.0.1", int(sys.argv[1])), Path(sys.argv[2])
context = tls_context(1, folder)
peer, theirs = shake_hands(called(address, 60), 1, context, {}, 60)
shares, _ = shake_hands(called(address, 60), 1, context, {"session": theirs["session"]}, 60)
commands = Channel(peer)
commands.send(None)
commands.recv()
peer.sendall((1000).to_bytes(8, "big") + secrets.token_bytes(1000))
peer.recv(1)
"""
_OLDER = """
import sys
from pathlib import Path
import pibench
from pibench.errors import InputError
pibench.__version__ = "0.0.9"
from pibench.engines.lean.remote import follow
try:
    follow(("127.0.0.1", int(sys.argv[1])), Path(sys.argv[2]), 60, {})
except InputError as error:
    sys.exit(f"party 1: {error}")
"""
_SCANNER = """
import socket, sys, time
for _ in range(600):
    try:
        peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        break
    except OSError:
        time.sleep(0.1)
peer.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
"""


def _stranger(program: str, most: int, said: str) -> Fault:
    """Return the fault of a caller that is not a party: after it, the right party is served."""

    def fault(folder: Path, backbone: Path, draw: random.Random) -> Outcome:
        authority, port = trustme.CA(), free_port(None)
        for rank in (0, 1):
            _certify(folder / f"party-{rank}", authority)
        cells = ["--data=sample", "--methods=dense,puma", f"--backbone={backbone}", "--output=out", "--deadline=60"]
        where = ["--listen", f"127.0.0.1:{port}", "--certificates", "party-0"]
        server = party(folder, "--rank", "0", *where, *cells, "-k", "accuracy or communication")
        stranger = Run([sys.executable, "-c", program, str(port), "party-1"], folder)
        stranger.end(120)
        client = party(folder, "--rank", "1", "--connect", f"127.0.0.1:{port}", "--certificates", "party-1")
        outcome = judged(server, folder, most, most)
        client.end(60)
        others = [stranger, client]
        heard = said in server.said
        tracebacks = outcome.tracebacks + sum(run.said.count(TRACEBACK) for run in others)
        orphans = outcome.orphans + sum(run.orphans() for run in others)
        lines = [line for line in server.said.splitlines() if said in line]
        return Outcome(outcome.survived and heard, lines[0] if lines else outcome.saw, orphans, tracebacks)

    return fault


def _certify(folder: Path, authority: trustme.CA) -> None:
    folder.mkdir()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own = authority.issue_cert(folder.name)
    own.private_key_pem.write_to_path(folder / "key.pem")
    own.cert_chain_pems[0].write_to_path(folder / "certificate.pem")


PARTY_FAULTS: dict[str, Fault] = {
    "server killed (SIGKILL)": signalled(0, signal.SIGKILL),
    "client killed (SIGKILL)": signalled(1, signal.SIGKILL),
    "third-party dealer killed (SIGKILL)": signalled(2, signal.SIGKILL, "--dealer=third-party"),
    "server stopped (SIGSTOP)": signalled(0, signal.SIGSTOP),
    "client stopped (SIGSTOP)": signalled(1, signal.SIGSTOP),
    "third-party dealer stopped (SIGSTOP)": signalled(2, signal.SIGSTOP, "--dealer=third-party"),
    "server out of memory": out_of_memory,
    "client ten times slower": slow,
    "a client on another machine that sends garbage": _stranger(_GARBAGE, 1, "sent an invalid message"),
    "a client of another version": _stranger(_OLDER, 0, "runs pibench 0.0.9"),
    "a port scanner": _stranger(_SCANNER, 0, "turned away"),
}
