"""Commands and answers between machines: JSON beside arrays, never pickled."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from pibench.engines.engine import Cost
from pibench.engines.lean.party import PartyView
from pibench.engines.lean.switches import Switches
from pibench.errors import InputError
from pibench.model.architecture import Architecture
from pibench.net.processes import Failure
from pibench.net.tls import receive_framed, send_framed

_KNOWN: dict[str, type[Any]] = {kind.__name__: kind for kind in (PartyView, Cost, Failure, Switches)}
_LONGEST = 2**31
_JSON = "message"


class Channel:
    """A blocking connection that sends and receives messages, with the interface of multiprocessing's connections."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self.peer.fileno()

    def send(self, value: Any) -> None:
        """Send what :func:`packed` takes."""
        send_framed(self.peer, packed(value))

    def recv(self) -> Any:
        """Wait for the next message.

        Raises:
            EOFError: the other end closed the connection.
            InputError: the received bytes are not a valid message.
        """
        try:
            data = receive_framed(self.peer, _LONGEST)
        except ValueError as error:
            raise InputError(f"the other party sent an invalid message: {error}") from error
        return unpacked(data)

    def close(self) -> None:
        """End the connection."""
        self.peer.close()


def packed(value: Any) -> bytes:
    """Serialise numbers, texts, sequences, dicts with text keys, arrays, and other types that the parties exchange."""
    arrays: dict[str, np.ndarray] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            if value.dtype.hasobject:
                raise TypeError("an array of objects would be pickled")
            arrays[f"array{len(arrays)}"] = value
            return {"array": f"array{len(arrays) - 1}"}
        if isinstance(value, Architecture):
            return {"architecture": value.spec()}
        if type(value).__name__ in _KNOWN:
            own = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
            return {"kind": type(value).__name__, "fields": own}
        if isinstance(value, Mapping):
            return {"items": {key: plain(item) for key, item in value.items()}}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return value

    text = json.dumps(plain(value)).encode()
    file, parts = io.BytesIO(), {_JSON: np.frombuffer(text, np.uint8)} | arrays
    np.savez(file, **parts)
    return file.getvalue()


def unpacked(data: bytes) -> Any:
    """Return what :func:`packed` was given, tuples as lists.

    Raises:
        InputError: the bytes do not come from :func:`packed`.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return _read(json.loads(arrays[_JSON].tobytes()), arrays.__getitem__)
    except Exception as error:  # zip, numpy and JSON raise a dozen types of errors
        raise InputError(f"the other party sent an invalid message ({type(error).__name__})") from error


def _read(value: Any, array: Callable[[str], np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_read(item, array) for item in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return array(value["array"])
    if "architecture" in value:
        return Architecture.from_spec(value["architecture"])
    if "kind" in value:
        return _KNOWN[value["kind"]](**{name: _read(item, array) for name, item in value["fields"].items()})
    return {name: _read(item, array) for name, item in value["items"].items()}
