"""A trusted third party's process, which deals the correlated randomness and sees nothing else.

It shares a key with each party. The tuples of a run follow from architecture, switches and shapes, so it goes through
the forward pass on shapes, and sends party 0 the shares that party 0 cannot draw.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from multiprocessing.connection import Connection

import numpy as np
import torch

from pibench.engines.lean.dealer import Dealer, Delivery, Drawn, Maker, secure_words
from pibench.engines.lean.link import ShapesLink
from pibench.engines.lean.protocol import SERVER, Beaver, private_inference
from pibench.engines.lean.shared_model import SharedModel, share_model
from pibench.engines.lean.switches import Switches
from pibench.model.architecture import Architecture
from pibench.net.processes import serve

_KEY_BYTES = 32


class ThirdParty:
    """Deals for each command that the parties receive; ``ends`` are its connections to party 0 and party 1."""

    def __init__(self, ends: Sequence[Connection]) -> None:
        keys = [os.urandom(_KEY_BYTES) for _ in ends]
        for end, key in zip(ends, keys, strict=True):
            end.send_bytes(key)
        maker = Maker(*map(secure_words, keys))
        self._dealer = Delivery(maker, lambda share: ends[SERVER].send_bytes(share.contiguous().numpy().tobytes()))
        self._models: dict[str, SharedModel] = {}

    def load(self, name: str, architecture: Architecture, settings: Switches, state: dict[str, np.ndarray]) -> None:
        """Deal what the parties need to share a model; ``state`` is its public parameters."""
        self._models[name] = share_model(architecture, settings, state, self._on_shapes(settings).weight)

    def drop(self, name: str) -> None:
        """Forget a model."""
        del self._models[name]

    def infer(self, name: str, embedded: np.ndarray, keep: np.ndarray, audit: bool) -> None:
        """Deal what an inference needs on an input of such a shape."""
        model, inputs = self._models[name], (torch.from_numpy(embedded), torch.from_numpy(keep))
        with torch.no_grad():
            private_inference(self._on_shapes(model.switches), model.architecture, model.fresh_weights(), *inputs)

    def _on_shapes(self, switches: Switches) -> Beaver:
        return Beaver(SERVER, ShapesLink(), self._dealer, switches)


def dealt_by(end: Connection, rank: int) -> Dealer:
    """Return a party's end of the third party's dealer, over a connection to it."""

    def receive(shape: torch.Size, kind: torch.dtype) -> torch.Tensor:
        data = bytearray(_received(end))
        return torch.frombuffer(data, dtype=kind).reshape(shape) if data else torch.empty(shape, dtype=kind)

    return Drawn(rank, secure_words(_received(end)), None if rank else receive)


def _received(end: Connection) -> bytes:
    try:
        return end.recv_bytes()
    except EOFError as error:
        raise ConnectionError("the dealer is gone") from error


def main(ends: Sequence[Connection], connection: Connection) -> None:
    """Deal as long as the launcher lives."""
    torch.set_num_threads(1)
    serve(ThirdParty(ends), connection)
