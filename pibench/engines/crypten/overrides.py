"""Makes CrypTen's own tensors read settings faster and communicate over our socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist

from pibench.engines.crypten.compat import import_crypten
from pibench.engines.lean.link import Link


@contextmanager
def plain_config() -> Iterator[None]:
    """While active, CrypTen's settings are plain attributes; OmegaConf takes 20 to 40 microseconds a look-up."""
    crypten = import_crypten()
    from omegaconf import OmegaConf

    config = crypten.cfg
    kind = type(config)
    merged, override = config.config, kind.temp_override

    @contextmanager
    def temp_override(self: Any, changes: dict[str, Any]) -> Iterator[None]:
        places = [(_inside(self.config, name.split(".")[:-1]), name.split(".")[-1]) for name in changes]
        before = [getattr(place, name) for place, name in places]
        for (place, name), value in zip(places, changes.values(), strict=True):
            setattr(place, name, value)
        try:
            yield
        finally:
            for (place, name), value in zip(places, before, strict=True):
                setattr(place, name, value)

    config.set_config(_plain(OmegaConf.to_container(merged)))
    kind.temp_override = temp_override
    try:
        yield
    finally:
        kind.temp_override = override
        config.set_config(merged)


def _plain(settings: Any) -> Any:
    if not isinstance(settings, dict):
        return settings
    return SimpleNamespace(**{name: _plain(value) for name, value in settings.items()})


def _inside(settings: Any, path: list[str]) -> Any:
    for name in path:
        settings = getattr(settings, name)
    return settings


@contextmanager
def raw_sockets(link: Link) -> Iterator[None]:
    """While active, CrypTen's communicator opens tensors and broadcasts over ``link``."""
    communicator = import_crypten().comm.get()

    def all_reduce(value: Any, op: Any = dist.ReduceOp.SUM, batched: bool = False) -> Any:
        parts = [part.contiguous() for part in (value if batched else [value])]
        opened = link.xor(parts) if op == dist.ReduceOp.BXOR else link.sum(parts)
        return opened if batched else opened[0]

    def broadcast(value: torch.Tensor, src: int) -> torch.Tensor:
        return link.broadcast(value, src)

    communicator.all_reduce, communicator.broadcast = all_reduce, broadcast
    try:
        yield
    finally:
        del communicator.all_reduce, communicator.broadcast
