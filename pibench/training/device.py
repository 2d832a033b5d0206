"""The device for training and float scoring: a CUDA GPU if torch sees one. Everything else runs on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def training_device() -> torch.device:
    """Return the first CUDA GPU, or the CPU where there is none."""
    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def gpu_model() -> str | None:
    """Return the name of the GPU that trains, if one does."""
    device = training_device()
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None


def native_bfloat16(device: torch.device) -> bool:
    """Say whether a device has bfloat16 products."""
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()


@contextmanager
def on_device(*modules: nn.Module) -> Iterator[torch.device]:
    """Move ``modules`` to the training device, yield it, and move each module back afterwards."""
    device = training_device()
    homes = [next(module.parameters()).device for module in modules]
    try:
        for module in modules:
            module.to(device)
        yield device
    finally:
        for module, home in zip(modules, homes, strict=True):
            module.to(home)
