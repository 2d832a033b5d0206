"""Mutually authenticated TLS 1.3 between the parties of two machines, by Python's ssl.

A folder holds ``ca.pem``, the authority that both parties trust, and the party's own ``certificate.pem`` and
``key.pem``. Party 0's certificate is for the name ``party-0``, party 1's for ``party-1``.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from pathlib import Path
from typing import Any

import pibench
from pibench.errors import InputError

NAMES = ("party-0", "party-1")
_FILES = ("ca.pem", "certificate.pem", "key.pem")
_LENGTH = 8
_LONGEST_HELLO = 4096


class PeerRefused(InputError):
    """The other end is not the expected party; the message says why."""


class PeerGone(InputError):
    """The other end does not answer, or has closed the connection."""


def tls_context(rank: int, folder: Path) -> ssl.SSLContext:
    """Return the TLS context of party ``rank``, from the certificates in ``folder``.

    Raises:
        InputError: a file is missing or invalid.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if rank else ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    authority, certificate, key = (folder / name for name in _FILES)
    try:
        context.load_verify_locations(authority)
        context.load_cert_chain(certificate, key)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"cannot use the certificates in {folder} ({reason}): "
            f"it needs {', '.join(_FILES)}, as docs/security.md says"
        ) from error
    return context


def shake_hands(
    plain: socket.socket, rank: int, context: ssl.SSLContext, greeting: dict[str, Any], seconds: float
) -> tuple[ssl.SSLSocket, dict[str, Any]]:
    """Turn a connection into an encrypted one, in blocking mode, and return it with the other party's greeting.

    Both must present a certificate of their role, signed by the common authority, and run one version of the suite.

    Raises:
        PeerRefused: the other end speaks no TLS, has another certificate or version, or says nothing for ``seconds``.
        PeerGone: it closed the connection.
    """
    other = NAMES[1 - rank]
    try:
        with contextlib.ExitStack() as undo:
            peer, theirs = _greeted(plain, rank, context, greeting, seconds, undo)
            undo.pop_all()
    except ssl.SSLError as error:
        raise PeerRefused(f"no encrypted connection to {other}: {_reason(error)}") from error
    except (EOFError, ConnectionError) as error:
        raise PeerGone(f"{other} hung up") from error
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise PeerRefused(f"{other} did not answer as a party does: {error}") from error
    return peer, theirs


def _greeted(
    plain: socket.socket,
    rank: int,
    context: ssl.SSLContext,
    greeting: dict[str, Any],
    seconds: float,
    undo: contextlib.ExitStack,
) -> tuple[ssl.SSLSocket, dict[str, Any]]:
    undo.callback(plain.close)
    plain.settimeout(seconds)
    other = NAMES[1 - rank]
    if rank:
        peer = context.wrap_socket(plain, server_hostname=other)
    else:
        peer = context.wrap_socket(plain, server_side=True)
    undo.callback(peer.close)
    refusal = None if rank else _wrong_name(peer, other)
    send_framed(peer, json.dumps({"version": pibench.__version__, "refusal": refusal} | greeting).encode())
    theirs = _received(peer)
    if problem := refusal or theirs.get("refusal") or _wrong_version(other, theirs.get("version")):
        raise PeerRefused(str(problem))
    peer.settimeout(None)
    return peer, theirs


def _wrong_name(peer: ssl.SSLSocket, name: str) -> str | None:
    names = dict(peer.getpeercert() or {}).get("subjectAltName", ())
    return None if ("DNS", name) in names else f"the caller's certificate is not {name}'s: give each party its own"


def _wrong_version(other: str, version: Any) -> str | None:
    own = pibench.__version__
    if version == own:
        return None
    return f"{other} runs pibench {version}, this party {own}: install one version on both machines"


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was refused ({error.verify_message})"
    known = {
        "WRONG_VERSION_NUMBER": "it speaks plain text, or something other than TLS 1.3",
        "HTTP_REQUEST": "it speaks plain text",
        "TLSV1_ALERT_UNKNOWN_CA": "it refused this party's certificate",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate",
        "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it has no certificate",
    }
    return known.get(error.reason or "", (error.reason or str(error)).lower().replace("_", " "))


def _received(peer: ssl.SSLSocket) -> dict[str, Any]:
    message = json.loads(receive_framed(peer, _LONGEST_HELLO))
    if not isinstance(message, dict):
        raise ValueError("its greeting is not a JSON object")
    return message


def send_framed(peer: socket.socket, data: bytes) -> None:
    """Send the length of ``data`` and then ``data`` on a blocking connection."""
    peer.sendall(len(data).to_bytes(_LENGTH, "big") + data)


def receive_framed(peer: socket.socket, longest: int) -> bytes:
    """Return what :func:`send_framed` sent at the other end.

    Raises:
        EOFError: the connection ended too early.
        ValueError: more than ``longest`` bytes are announced.
    """
    length = int.from_bytes(_exactly(peer, _LENGTH), "big")
    if length > longest:
        raise ValueError(f"a message of {length} bytes was announced, which is too long")
    return _exactly(peer, length)


def _exactly(peer: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = peer.recv(min(count - len(data), 1 << 20))
        if not part:
            raise EOFError("the connection ended")
        data += part
    return bytes(data)
