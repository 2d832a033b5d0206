"""The contract of a method: what it receives, what it returns, and how it describes itself.

A method receives a fine-tuned dense model and returns a cheaper private model for the same task, or a
:class:`Skip` that says why it does not apply. It never sees the validation split.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch

from pibench.errors import InputError
from pibench.model.module import Model
from pibench.plugins import LONGEST_NAME
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget

_VARIANT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9 ._+,:'()-]*[A-Za-z0-9._+')-])?")
QUANTITIES = ("accuracy", "communication", "latency")
"""The quantities that a paper may report; each is a column of the table ``reported``."""


@dataclass(frozen=True)
class Variant:
    """One row of a method; ``options`` are the method's own settings, as JSON types.

    Raises:
        InputError: the name is not one, or the options are not JSON.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _VARIANT.fullmatch(self.name) or len(self.name) > LONGEST_NAME:
            raise InputError(
                f"the variant {self.name!r} has a bad name: use at most {LONGEST_NAME} letters, digits, spaces and "
                "._+-,:'(), a letter or digit first"
            )
        if problem := _not_json(dict(self.options)):
            raise InputError(f"the options of the variant {self.name!r} are not JSON: {problem}")


@dataclass(frozen=True)
class MethodInfo:
    """How a method describes itself in tables and records.

    ``reported`` holds the paper's own numbers by quantity (see :data:`QUANTITIES`), as text with their setting; they
    enter no ratio. ``ablations`` take the method apart: they are measured in a separate study, and appear in no other
    table.

    Raises:
        InputError: a text is empty or has several lines, there is no variant, two have the same name, or ``reported``
            has another quantity.
    """

    name: str
    version: str
    summary: str
    paper: str
    bibtex: str
    variants: tuple[Variant, ...]
    reported: Mapping[str, str] = field(default_factory=dict)
    ablations: tuple[Variant, ...] = ()

    def __post_init__(self) -> None:
        called = f"the method {self.name!r}"
        for part in ("name", "version", "summary", "paper", "bibtex"):
            text = getattr(self, part)
            if not isinstance(text, str) or not text.strip() or (part != "bibtex" and "\n" in text):
                raise InputError(f"{called} has the {part} {text!r}: give a text, on one line")
        everything = [*self.variants, *self.ablations]
        if not self.variants or not all(isinstance(variant, Variant) for variant in everything):
            raise InputError(f"{called} has the variants {self.variants!r}: give a tuple of at least one Variant")
        names = [variant.name.casefold() for variant in everything]  # some file systems do not tell the cases apart
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(f"{called} has two variants {twice[0]!r}: give each another name")
        if strange := sorted(set(self.reported) - set(QUANTITIES)):
            raise InputError(f"{called} reports {strange[0]!r}: use {', '.join(QUANTITIES)}")


@dataclass(frozen=True)
class Skip:
    """A method's answer where it does not apply."""

    reason: str


@runtime_checkable
class Method(Protocol):
    """A plugin: a class without constructor arguments, registered under the entry-point group ``pibench.methods``.

    A method may offer more, for certain studies: see :mod:`pibench.methods.studies`. What it wants recorded
    goes into ``Model.notes``: a search leaves its :class:`pibench.methods.trajectory.Trajectory` there.
    """

    info: MethodInfo

    def compress(self, dense: Model, data: TaskData, budget: Budget, variant: Variant) -> Model | Skip:
        """Return a private model for the task of ``data``, or say why there is none."""
        ...


def accepted(made: object, data: TaskData, budget: Budget) -> Model | Skip:
    """Return what ``compress`` returned, if it can be scored and served.

    Raises:
        InputError: it is neither a model nor a skip with a reason, its outputs are not the task's, it was trained on
            more examples than the budget allows, a weight is missing or unusable, or its notes cannot be recorded.
    """
    outputs, allowed = data.task.outputs, budget.allowance(len(data.train))
    if isinstance(made, Skip) and made.reason.strip():
        return made
    if isinstance(made, Skip):
        raise InputError("the method returned a Skip without a reason: give one")
    if not isinstance(made, Model):
        raise InputError(f"the method returned {type(made).__name__}: return a Model or a Skip")
    if made.architecture.outputs != outputs:
        raise InputError(f"the method's model has {made.architecture.outputs} outputs, but the task has {outputs}")
    if made.spent.examples > allowed:
        raise InputError(
            f"the method's model was trained on {made.spent.examples} examples, but the budget allows {allowed}"
        )
    _refuse_bad_weights(made)
    if problem := _not_json(made.notes):
        raise InputError(f"the notes of the method's model are not JSON: {problem}")
    return made


def _refuse_bad_weights(model: Model) -> None:
    weights = model.state_dict()
    for name, value in weights.items():
        if (value.device.type, value.dtype) != ("cpu", torch.float32):
            raise InputError(f"{name} is {value.dtype} on {value.device}: return a model in float32 on the CPU")
    for name in sorted(weights.keys() - model.unset().keys()):
        if not weights[name].isfinite().all():
            raise InputError(f"{name} is not finite: training diverged, or began with a coefficient that was not set")
    model.refuse_unset()


def _not_json(value: object) -> str | None:
    """Return why a value cannot be written as strict JSON, or None if it can."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        return str(error)
    return None
