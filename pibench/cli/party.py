"""``pibench party``: run one of two parties that are on different machines."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pibench.arguments import at_least, path
from pibench.cli.run import run_benchmarks
from pibench.errors import InputError
from pibench.measure.provenance import machine
from pibench.net.processes import end_with_launcher, spawn

_REFUSED, _GONE = 3, 4
_AGAIN_S = 10.0
"""Seconds to connect to a further session: party 0's port stays open until party 0 ends, even while it is busy."""


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    party = commands.add_parser(
        "party",
        help="run one of two parties that are on different machines",
        description="Party 0 is the server: it runs the benchmarks, and takes all options of `nox -s bench` as well. "
        "Party 1 is the client: it connects to party 0, and serves it until party 0 ends.",
    )
    party.add_argument("--rank", type=int, choices=(0, 1), required=True)
    party.add_argument("--listen", metavar="HOST:PORT", help="address that party 0 listens on")
    party.add_argument("--connect", metavar="HOST:PORT", help="address of party 0, for party 1")
    party.add_argument(
        "--certificates", type=path, required=True, help="folder that holds ca.pem, certificate.pem and key.pem"
    )
    party.add_argument(
        "--wait", type=at_least(0.0), default=600.0, help="longest wait of party 1, in seconds (%(default)s)"
    )
    party.set_defaults(run=_party)


def _party(chosen: argparse.Namespace, rest: list[str]) -> int:
    needed, other = ("listen", "connect") if chosen.rank == 0 else ("connect", "listen")
    if not getattr(chosen, needed) or getattr(chosen, other):
        raise InputError(f"party {chosen.rank} needs --{needed} HOST:PORT and does not take --{other}")
    if chosen.rank == 0:
        return _serve(chosen, rest)
    if rest:
        raise InputError(f"party 1 has no option {rest[0]}: give the options of a run to party 0")
    return _follow(chosen)


def _serve(chosen: argparse.Namespace, rest: list[str]) -> int:
    own = ["--listen", chosen.listen, "--certificates", str(chosen.certificates)]
    return run_benchmarks(["accuracy", "communication", "latency"], [*own, *rest])


def _follow(chosen: argparse.Namespace) -> int:
    """Serve one session after the other, each in its own process, until party 0 ends."""
    from pibench.engines.lean.remote import parse_address

    address = parse_address(chosen.connect)
    sessions = 0
    while True:
        print(f"party 1: calling party 0 at {chosen.connect}", flush=True)
        process = spawn(_session, address, chosen.certificates, chosen.wait, _AGAIN_S if sessions else chosen.wait)
        process.join()
        if process.exitcode == _REFUSED:
            return 2
        if process.exitcode == _GONE:
            print(f"party 1: {sessions} sessions served", flush=True)
            return 0 if sessions else 1
        sessions += 1
        if process.exitcode:
            print(f"party 1: a session ended with status {process.exitcode}; ready for the next", flush=True)


def _session(address: tuple[str, int], certificates: Path, wait: float, call: float) -> None:
    from pibench.engines.lean.remote import follow
    from pibench.net.tls import PeerGone

    end_with_launcher()
    try:
        follow(address, certificates, wait, machine(), call)
    except InputError as error:
        print(f"party 1: {error}", file=sys.stderr, flush=True)
        sys.exit(_GONE if isinstance(error, PeerGone) else _REFUSED)
