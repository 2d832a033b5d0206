"""The paper's names of configurations, such as ``EReg(SM(t)+ScFuFFN_i6)``, and what each does to a transformer.

SM is softmax attention, (t) its learned temperature; LN LayerNorm; G or R the FFN's GELU or ReLU; ScFFN an FFN with
learned scales, ScFuFFN one whose two matrices are merged as well, _i<k> without the k deepest FFNs; EReg(...) training
with entropy regularisation (AERO, arXiv 2410.13060, sections 3 and 4). ERegSum(...), our own name, is training with
the form of the penalty in the authors' code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from baselines.aero.entropy import Form
from pibench.errors import InputError
from pibench.model.architecture import Architecture, Layer

_NAME = re.compile(r"SM(?P<t>\(t\))?(?P<norm>\+LN)?(?P<ffn>\+(G|R|ScFFN|ScFuFFN)(?:_i(?P<deepest>\d+))?)?")

LADDER = (
    "SM+LN+G",
    "SM+LN+R",
    "SM+LN",
    "SM+G",
    "SM+R",
    "SM",
    "SM+ScFFN",
    "SM+ScFuFFN",
    "SM+ScFuFFN_i1",
    "SM(t)+ScFuFFN",
    "EReg(SM(t)+ScFuFFN)",
    "EReg(SM(t)+ScFuFFN_i1)",
    "ERegSum(SM(t)+ScFuFFN)",
)

COMPARED = ("SM+ScFuFFN", "SM(t)+ScFuFFN", "EReg(SM(t)+ScFuFFN)")
"""The configurations that show the effect of entropy regularisation, for which one seed is not enough."""


@dataclass(frozen=True)
class Rung:
    """One configuration: its name, what each layer has, the number of deleted FFNs, and how it is trained."""

    name: str
    activation: str
    norm: str
    temperature: bool
    scaled: bool
    fused: bool
    deepest: int
    entropy: Form | None

    def of(self, architecture: Architecture, positions: int) -> Architecture:
        """Return a plain ``architecture`` in this configuration; ``positions`` have temperatures, if any.

        Raises:
            InputError: the architecture has fewer layers than FFNs to delete.
        """
        layers = tuple(self._layer(layer, positions) for layer in architecture.layers)
        if len(layers) < self.deepest:
            raise InputError(f"{self.name} deletes {self.deepest} FFNs, but there are {len(layers)} layers")
        return without_deepest(replace(architecture, layers=layers), self.deepest)

    def _layer(self, layer: Layer, positions: int) -> Layer:
        return replace(
            layer,
            activation=self.activation,
            norm=self.norm,
            scaled=self.scaled,
            ffn_size=0 if self.fused else layer.ffn_size,
            temperatures=positions if self.temperature else 0,
        )


def without_deepest(architecture: Architecture, count: int) -> Architecture:
    """Return ``architecture`` without the FFNs of its ``count`` deepest layers (AERO, section 3.3: i_count)."""
    kept = len(architecture.layers) - count
    cut = (replace(layer, ffn_size=None, scaled=False) for layer in architecture.layers[kept:])
    return replace(architecture, layers=(*architecture.layers[:kept], *cut))


def parse_rung(name: str) -> Rung:
    """Return the configuration of that name.

    Raises:
        InputError: the name does not follow the paper's grammar.
    """
    wrapped = re.fullmatch(r"EReg(Sum)?\((.*)\)", name)
    match = _NAME.fullmatch(wrapped[2] if wrapped else name)
    ffn = match and (match["ffn"] or "").removeprefix("+").split("_")[0]
    deepest = int(match["deepest"] or 0) if match else 0
    if match is None or (deepest and ffn != "ScFuFFN"):
        raise InputError(f"unknown configuration {name!r}: use a name such as {', '.join(LADDER)}")
    return Rung(
        name=name,
        activation={"G": "gelu", "R": "relu"}.get(ffn or "", "identity"),
        norm="layer_norm" if match["norm"] else "none",
        temperature=bool(match["t"]),
        scaled=ffn in ("ScFFN", "ScFuFFN"),
        fused=ffn == "ScFuFFN",
        deepest=deepest,
        entropy=("summed" if wrapped[1] else "mean") if wrapped else None,
    )
