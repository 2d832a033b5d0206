"""Both parties as threads of one process, connected in memory: the engine's own code, without sockets."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

import numpy as np
import pytest
import torch

from pibench.engines.lean import dealer
from pibench.engines.lean.dealer import Dealer, Delivery, Drawn, Maker, Store, first_party, secure_words
from pibench.engines.lean.fold import fold
from pibench.engines.lean.link import Link, ShapesLink
from pibench.engines.lean.protocol import Beaver, private_inference
from pibench.engines.lean.shares import Shared
from pibench.engines.lean.switches import LEAN, Switches
from pibench.model.module import Model
from pibench.model.parameters import Parameter, Role
from pibench.testing.models import tiny_model

T = TypeVar("T")
Program = Callable[[Beaver], T]
Message = list[torch.Tensor] | None

ToParties = tuple[Dealer, Dealer]
View = list[torch.Tensor]

SEED = 7
FACTOR, ADDEND = (Parameter(role.value, (), role) for role in (Role.MATRIX, Role.SHIFT))
"""Declarations of a secret factor and of a secret summand."""
IDS = torch.tensor([[1, 10, 25, 31, 44, 17, 2], [1, 44, 12, 2, 0, 0, 0]])
_PATIENCE_S = 20.0


class MemoryLink(Link):
    """One party's end of two queues. ``sent``, ``received`` and ``opened`` hold a list of tensors a round."""

    def __init__(self, rank: int, outbox: SimpleQueue[Message], inbox: SimpleQueue[Message]) -> None:
        self.sent: list[list[torch.Tensor]] = []
        self.received: list[list[torch.Tensor]] = []
        self.opened: list[list[torch.Tensor]] = []
        self._rank, self._outbox, self._inbox = rank, outbox, inbox

    @property
    def rounds(self) -> int:
        """The number of exchanges."""
        return len(self.sent)

    @property
    def bytes(self) -> int:
        """The bytes of both directions."""
        return sum(part.nbytes for parts in (*self.sent, *self.received) for part in parts)

    def sum(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        self.opened.append([own + other for own, other in zip(parts, self._swap(parts), strict=True)])
        return [part.clone() for part in self.opened[-1]]

    def xor(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        self.opened.append([own ^ other for own, other in zip(parts, self._swap(parts), strict=True)])
        return [part.clone() for part in self.opened[-1]]

    def broadcast(self, tensor: torch.Tensor, owner: int) -> torch.Tensor:
        self.sent.append([tensor.clone()] if self._rank == owner else [])
        if self._rank == owner:
            self._outbox.put(self.sent[-1])
            self.received.append([])
        else:
            (tensor,) = (part.clone() for part in self._take())
        self.opened.append([tensor.clone()])
        return tensor

    def hang_up(self) -> None:
        """Tell the other party that no message will follow."""
        self._outbox.put(None)

    def _swap(self, parts: list[torch.Tensor]) -> list[torch.Tensor]:
        self.sent.append([part.clone() for part in parts])
        self._outbox.put(self.sent[-1])
        return self._take()

    def _take(self) -> list[torch.Tensor]:
        theirs = self._inbox.get(timeout=_PATIENCE_S)
        if theirs is None:
            raise ConnectionError("the other party failed")
        self.received.append(theirs)
        return theirs


@dataclass
class Meeting(Generic[T]):
    """What both parties returned, their ends of the link, and each one's shares before every truncation."""

    results: tuple[T, T]
    links: tuple[MemoryLink, MemoryLink]
    divided: tuple[list[torch.Tensor], list[torch.Tensor]]


def meet(
    program: Program[T],
    switches: Switches = LEAN,
    seed: int = SEED,
    dealers: ToParties | None = None,
) -> Meeting[T]:
    """Run ``program`` at both parties; the first one's failure is raised."""
    there: SimpleQueue[Message] = SimpleQueue()
    back: SimpleQueue[Message] = SimpleQueue()
    links = MemoryLink(0, there, back), MemoryLink(1, back, there)
    dealers = dealers or (first_party(0, seed), first_party(1, seed))
    divided: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])

    def run(rank: int) -> T:
        try:
            watch = lambda share: divided[rank].append(share.clone())  # noqa: E731
            return program(Beaver(rank, links[rank], dealers[rank], switches, watch))
        except BaseException:
            links[rank].hang_up()
            raise

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(run, rank) for rank in (0, 1)]
    errors = [error for future in futures if (error := future.exception())]
    if errors:
        raise min(errors, key=lambda error: isinstance(error, ConnectionError))
    return Meeting((futures[0].result(), futures[1].result()), links, divided)


def both(program: Program[T], switches: Switches = LEAN, seed: int = SEED) -> tuple[T, T]:
    """Return what ``program`` returns at party 0 and at party 1."""
    return meet(program, switches, seed).results


def value(program: Program[Shared], switches: Switches = LEAN) -> torch.Tensor:
    """Return the number, float64, that both parties' results are shares of."""
    return decoded(*both(program, switches))


def decoded(first: Shared, second: Shared) -> torch.Tensor:
    """Return the number that two shares make, float64."""
    assert first.fraction == second.fraction
    return (first.share + second.share).double() / 2.0**first.fraction


def prefetched(program: Program[object], switches: Switches = LEAN, dealers: ToParties | None = None) -> ToParties:
    """Run ``program`` on shapes at each party and return the dealers that hand out what it asked for."""
    stores = [Store(own) for own in dealers or (first_party(0, SEED), first_party(1, SEED))]
    for rank, store in enumerate(stores):
        program(Beaver(rank, ShapesLink(), store, switches))
    return stores[0].prefetched(), stores[1].prefetched()


def third_party(program: Program[object], switches: Switches = LEAN, seed: int = SEED) -> tuple[ToParties, View]:
    """Let a third party deal for ``program``; return both parties' ends, and the messages for party 0."""
    keys = [f"{seed} {rank}".encode() for rank in (0, 1)]
    sent: View = []
    maker = Maker(*map(secure_words, keys))
    program(Beaver(0, ShapesLink(), Delivery(maker, lambda share: sent.append(share.clone())), switches))
    coming = iter(sent)
    receive = lambda shape, kind: next(coming).clone()  # noqa: E731
    return (Drawn(0, secure_words(keys[0]), receive), Drawn(1, secure_words(keys[1]))), sent


def inference(model: Model, embedded: torch.Tensor, keep: torch.Tensor) -> Program[torch.Tensor]:
    """Return the program that shares the server's weights, then runs the client's text through the model."""
    own = model.weights().map(lambda _, value: value.detach())

    def run(ops: Beaver) -> torch.Tensor:
        weights = (fold(own, model.architecture) if ops.switches.folded_weights else own).map(ops.weight)
        return private_inference(ops, model.architecture, weights, embedded, keep)

    return run


@torch.no_grad()
def tiny(**operators: Any) -> tuple[Program[torch.Tensor], torch.Tensor]:
    """Return a private inference of :data:`IDS` and its logits in floats."""
    model, segments, keep = tiny_model(**operators), torch.zeros_like(IDS), (IDS > 0).long()
    embedded = model.embeddings(IDS, segments)
    return inference(model, embedded, keep), model(IDS, segments, keep).logits


def fix_private_randomness(monkeypatch: pytest.MonkeyPatch, seed: int = 0) -> None:
    """Let the dealers made from now on draw their private randomness from ``seed``."""
    monkeypatch.setattr(dealer, "os", SimpleNamespace(urandom=np.random.default_rng(seed).bytes))
