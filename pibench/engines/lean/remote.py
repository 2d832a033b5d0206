"""A client on another machine: it connects to the server's machine, only by TLS.

One port accepts both connections of a session: first the one for commands, then the one for shares.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import torch

from pibench.engines.engine import Session
from pibench.engines.lean.messages import Channel
from pibench.engines.lean.parties import LeanParties
from pibench.engines.lean.party import LeanParty
from pibench.engines.lean.protocol import CLIENT, SERVER
from pibench.errors import InputError
from pibench.net.processes import Failure, PartyTimeout, serve
from pibench.net.tls import PeerGone, PeerRefused, shake_hands, tls_context
from pibench.plugins import located

HANDSHAKE_S = 10.0
COMMANDS = ("load", "drop", "infer")
_RETRY_S = 0.5


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``.

    Raises:
        InputError: it is something else.
    """
    host, separator, port = text.rpartition(":")
    if not (separator and host and port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise InputError(f"{text!r} is not an address: give HOST:PORT, such as 192.0.2.7:7000")
    return host.strip("[]"), int(port)


class Listener:
    """Party 0's open port, with the certificates that identify the two parties.

    ``log`` is called with each caller that was turned away and the reason.

    Raises:
        InputError: the address cannot be listened on, or the certificates are unusable.
    """

    def __init__(self, address: tuple[str, int], certificates: Path, log: Callable[[str], None] = print) -> None:
        self.certificates = certificates
        self.address = address
        self._context, self._log = tls_context(SERVER, certificates), log
        self.peer: dict[str, Any] | None = None
        """The machine of the party that connected last, as records describe machines."""
        try:
            self._socket = socket.create_server(address, family=_family(address[0]))
        except OSError as error:
            raise InputError(f"cannot listen on {address[0]}:{address[1]}: {error.strerror or error}") from error

    def accept(self, deadline: float) -> tuple[Channel, socket.socket, str]:
        """Wait for party 1; return its command channel, its second connection without a channel, and the session's
        name.

        Raises:
            PartyTimeout: party 1 did not connect within ``deadline`` seconds.
        """
        end, session = time.monotonic() + deadline, secrets.token_hex(16)
        while True:
            plain, host = self._next(end)
            try:
                peer, theirs = shake_hands(plain, SERVER, self._context, {"session": session}, HANDSHAKE_S)
            except InputError as error:
                self._log(f"turned away {host}: {error}")
                continue
            self.peer = theirs.get("machine")
            while True:
                shares, other = self._next(min(end, time.monotonic() + HANDSHAKE_S))
                if other == host:
                    return Channel(peer), shares, session
                shares.close()

    def _next(self, end: float) -> tuple[socket.socket, str]:
        self._socket.settimeout(max(0.01, end - time.monotonic()))
        try:
            plain, (host, *_) = self._socket.accept()
        except TimeoutError as error:
            raise PartyTimeout("party 1 (client) did not connect from its machine in time") from error
        return plain, host

    def close(self) -> None:
        """Close the door."""
        self._socket.close()


class RemoteParties(LeanParties):
    """Like :class:`LeanParties`, with the client on the machine that connects to ``listener``."""

    def __init__(self, session: Session, listener: Listener) -> None:
        super().__init__(session)
        self._listener = listener

    @property
    def peer(self) -> dict[str, Any] | None:
        """The client's machine."""
        return self._listener.peer

    def __enter__(self) -> Self:
        commands, shares, session = self._listener.accept(self._session.deadline)
        try:
            self.running.start([partial(_main, shares, self._listener.certificates, session)], [commands])
        finally:
            shares.close()
        return self


def _main(shares: socket.socket, certificates: Path, session: str, connection: Connection) -> None:
    """Run party 0 of a session on the launcher's machine."""
    torch.set_num_threads(1)
    serve(LeanParty(SERVER, _joined(shares, SERVER, tls_context(SERVER, certificates), session)), connection)


def _joined(plain: socket.socket, rank: int, context: ssl.SSLContext, session: str) -> ssl.SSLSocket:
    """Return a session's connection for shares as a link of the party."""
    peer, theirs = shake_hands(plain, rank, context, {"session": session}, HANDSHAKE_S)
    if theirs.get("session") != session:
        raise PeerRefused("the other party's shares belong to another session: start both parties again")
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.setblocking(False)
    return peer


def follow(
    address: tuple[str, int], certificates: Path, wait: float, machine: dict[str, Any], call: float | None = None
) -> None:
    """Run party 1 of one session: connect to party 0, and answer its commands until it closes the connection.

    It tries to connect for ``call`` seconds, or ``wait``, and waits ``wait`` seconds for answers. ``machine`` is what
    party 0 records about this machine.

    Raises:
        PeerGone: nobody answers at that address.
        InputError: what answers is not the right party 0, or the certificates are unusable.
    """
    context = tls_context(CLIENT, certificates)
    peer, theirs = shake_hands(
        called(address, wait if call is None else call), CLIENT, context, {"machine": machine}, wait
    )
    with peer, _joined(called(address, HANDSHAKE_S), CLIENT, context, str(theirs.get("session"))) as shares:
        commands, party = Channel(peer), LeanParty(CLIENT, shares)
        with contextlib.suppress(EOFError, ConnectionError, ssl.SSLError):
            commands.send(None)
            while True:
                commands.send(_answer(party, commands.recv()))


def _answer(party: LeanParty, message: Any) -> Any:
    if not (isinstance(message, list) and len(message) == 2 and message[0] in COMMANDS):
        raise InputError("party 0 sent an invalid command")
    command, arguments = message
    try:
        return getattr(party, command)(*arguments)
    except (ConnectionError, ssl.SSLError):
        raise
    except Exception as error:
        return Failure(time.monotonic(), located(error))


def called(address: tuple[str, int], wait: float) -> socket.socket:
    """Return a connection to party 0, which is called until it answers.

    Raises:
        PeerGone: it did not answer within ``wait`` seconds.
    """
    end = time.monotonic() + wait
    while True:
        try:
            return socket.create_connection(address, timeout=max(1.0, end - time.monotonic()))
        except OSError as error:
            if time.monotonic() + _RETRY_S > end:
                raise PeerGone(
                    f"no party 0 answered at {address[0]}:{address[1]} within {wait:g} s ({error.strerror or error}): "
                    "start it there, and open its port in the firewall"
                ) from error
        time.sleep(_RETRY_S)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
