"""The forward pass as an SPU program: traced once for a model's shapes, then run on shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pibench.engines.spu.interpreter import SpuInterpreter
from pibench.engines.spu.overflow import refuse_overflow
from pibench.engines.spu.protocols import CLIENT, SERVER
from pibench.engines.spu.traced import Traced
from pibench.model.architecture import Architecture
from pibench.model.forward import encode, forward
from pibench.model.module import Model
from pibench.model.parameters import Parameter, Weights


@dataclass(frozen=True)
class Input:
    """One secret: its name in the program, its numbers, and the party that owns them."""

    name: str
    value: np.ndarray
    owner: int


@dataclass(frozen=True)
class Program:
    """A compiled program (``code``), its inputs, and the names of its outputs."""

    code: bytes
    inputs: Sequence[Input]
    outputs: Sequence[str]


def program(model: Model, embedded: np.ndarray, keep: np.ndarray, head: bool = True) -> Program:
    """Compile a model for inputs of one shape: ``embedded`` (batch, seq, hidden), and the public mask (batch, seq).

    It computes logits (batch, outputs), or without the ``head`` the last layer's output (batch, seq, hidden).

    Raises:
        InputError: a number would leave the ring on this input.
    """
    weights, mask = model.weights(), torch.from_numpy(keep).float()
    refuse_overflow(model.architecture, weights, torch.from_numpy(embedded), mask)
    secrets: list[Input] = [Input("embedded", embedded.astype(np.float32), CLIENT)]

    def secret(parameter: Parameter, value: torch.Tensor) -> Any:
        if parameter.public:
            return value.detach()
        secrets.append(Input(f"weight{len(secrets)}", value.detach().numpy(), SERVER))
        return len(secrets) - 1

    slots = weights.map(secret)

    def run(*arrays: Any) -> Any:
        own = slots.map(lambda _, slot: Traced(arrays[slot]) if isinstance(slot, int) else slot)
        return _run(model.architecture, own, Traced(arrays[0]), mask, head).array

    return Program(*_compiled(run, secrets))


def _run(architecture: Architecture, weights: Weights, embedded: Traced, keep: torch.Tensor, head: bool) -> Traced:
    ops = SpuInterpreter()
    if head:
        return forward(ops, architecture, weights, embedded, keep).logits
    return encode(ops, architecture, weights, embedded, keep)[-1]


def _compiled(run: Callable[..., Any], secrets: Sequence[Input]) -> tuple[bytes, Sequence[Input], list[str]]:
    from spu import libspu
    from spu.utils import frontend

    executable, _ = frontend.compile(
        frontend.Kind.JAX,
        run,
        [one.value for one in secrets],
        {},
        [one.name for one in secrets],
        [libspu.Visibility.VIS_SECRET] * len(secrets),
        lambda outputs: [f"output{index}" for index in range(len(outputs))],
    )
    return executable.SerializeToString(), secrets, list(executable.output_names)
