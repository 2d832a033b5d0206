"""Every parameter of a model, declared once: its shape, what it is for, and whether the client may see it.

Engines treat a tensor according to its declaration; a tensor without one is refused (:class:`Weights`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from pibench.model.architecture import Architecture, Layer
from pibench.model.operators.activation import ACTIVATION
from pibench.model.operators.softmax import SOFTMAX
from pibench.model.primitives import Value


class Visibility(Enum):
    """Who knows a parameter: the server alone, or both parties."""

    SECRET = "secret"
    PUBLIC = "public"


class Role(Enum):
    """What a parameter does, which also decides how it is initialised (see :func:`pibench.model.module.initial`)."""

    MATRIX = "matrix"
    """Multiplies a vector of features."""
    SCALE = "scale"
    """Multiplies elementwise."""
    SHIFT = "shift"
    """Is added."""
    COEFFICIENT = "coefficient"
    """An operator's coefficient, set by the method that chose the operator."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter; ``tied`` ones are views of an embedding and are not stored separately."""

    name: str
    shape: tuple[int, ...]
    role: Role
    visibility: Visibility = Visibility.SECRET
    tied: bool = False

    @property
    def public(self) -> bool:
        """Whether both parties know it."""
        return self.visibility is Visibility.PUBLIC

    @property
    def multiplies(self) -> bool:
        """Whether it is a factor of a product of secrets: a matrix or a scale that is not public."""
        return not self.public and self.role in (Role.MATRIX, Role.SCALE)


Declared = Mapping[str, Parameter]


@dataclass(frozen=True)
class Weights:
    """A model's weights as an interpreter's values: of each layer, and of the head, by their declared names.

    Raises:
        ValueError: a value has no declaration, or a declared parameter has no value.
    """

    architecture: Architecture
    layers: Sequence[Mapping[str, Value]]
    head: Mapping[str, Value]

    def __post_init__(self) -> None:
        declared = parameters(self.architecture)
        for place, own in zip(declared, [*self.layers, self.head], strict=True):
            if strange := sorted(place.keys() ^ own.keys()):
                known = "is not declared" if strange[0] in own else "is declared but missing"
                raise ValueError(f"the parameter {strange[0]!r} {known}: see pibench.model.parameters")

    def map(self, change: Callable[[Parameter, Value], Value]) -> Weights:
        """Return the weights with ``change(parameter, value)`` in place of every value."""
        *layers, head = (
            {name: change(place[name], value) for name, value in own.items()}
            for place, own in zip(parameters(self.architecture), [*self.layers, self.head], strict=True)
        )
        return Weights(self.architecture, layers, head)


def parameters(architecture: Architecture) -> tuple[Declared, ...]:
    """Return the declared parameters of each layer, and last those of the head."""
    layers = (_layer(architecture.hidden_size, layer) for layer in architecture.layers)
    return (*map(_by_name, layers), _by_name(_head(architecture)))


def _by_name(declared: list[Parameter]) -> Declared:
    return {parameter.name: parameter for parameter in declared}


def _affine(name: str, outputs: int, inputs: int) -> list[Parameter]:
    """Declare a matrix (outputs, inputs) and what is added to its product."""
    return [
        Parameter(f"{name}_weight", (outputs, inputs), Role.MATRIX),
        Parameter(f"{name}_bias", (outputs,), Role.SHIFT),
    ]


def _norm(name: str, size: int) -> list[Parameter]:
    return [Parameter(f"{name}_weight", (size,), Role.SCALE), Parameter(f"{name}_bias", (size,), Role.SHIFT)]


def _public(name: str, shape: tuple[int, ...], role: Role = Role.COEFFICIENT) -> Parameter:
    return Parameter(name, shape, role, Visibility.PUBLIC)


def _layer(hidden: int, layer: Layer) -> list[Parameter]:
    context = layer.heads * layer.head_size
    declared = [*_affine("qkv", 3 * context, hidden), *_affine("output", hidden, context)]
    if layer.norm != "none":
        declared += [*_norm("attention_norm", hidden), *_norm("ffn_norm", hidden)]
    if layer.ffn_size:
        declared += [*_affine("ffn_in", layer.ffn_size, hidden), *_affine("ffn_out", hidden, layer.ffn_size)]
    elif layer.ffn_size == 0:
        declared += _affine("ffn", hidden, hidden)
    if layer.scaled and layer.ffn_size is not None:
        declared.append(_public("ffn_coefficients", (2,), Role.SCALE))
    if layer.attention_scaled:
        declared.append(_public("attention_coefficients", (1,), Role.SCALE))
    if layer.position_buckets:
        declared.append(Parameter("position_bias", (layer.heads, layer.position_buckets), Role.SHIFT))
    if layer.temperatures:
        declared.append(_public("temperature_coefficients", (layer.heads, layer.temperatures)))
    for kind, operator in (("activation", ACTIVATION[layer.activation]), ("softmax", SOFTMAX[layer.softmax])):
        if operator.coefficients:
            declared.append(_public(f"{kind}_coefficients", operator.coefficients(layer)))
    return declared


def _head(architecture: Architecture) -> list[Parameter]:
    hidden, outputs = architecture.hidden_size, architecture.outputs
    if architecture.family == "encoder":
        return [*_affine("pooler", hidden, hidden), *_affine("classifier", outputs, hidden)]
    vocabulary = [
        Parameter("vocabulary_weight", (outputs, hidden), Role.MATRIX, tied=True),
        Parameter("vocabulary_bias", (outputs,), Role.SHIFT, tied=True),
    ]
    return [*_norm("final_norm", hidden), *vocabulary]
