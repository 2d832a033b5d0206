"""What an operator is to the suite, and where operators come from: the suite itself, and plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

from pibench.errors import InputError, pick
from pibench.model.architecture import Layer
from pibench.plugins import imported, registered


@dataclass(frozen=True)
class Operator:
    """A function over an interpreter's primitives, called as those of its kind are (see the modules of this package).

    ``error`` is the largest one that the ``paper``, or its own coefficients, promise: absolute, of GELU or of an
    attention weight, or relative, of a normalised value; None where it is no approximation and models train with it.
    ``coefficients`` gives the shape of the public ones that a layer has for it; they are zero until a method sets them.
    """

    run: Callable[..., Any]
    paper: str
    error: float | None = None
    coefficients: Callable[[Layer], tuple[int, ...]] | None = None

    def __call__(self, *arguments: Any) -> Any:
        """Run it."""
        return self.run(*arguments)


class Operators(Mapping[str, Operator]):
    """Operators of one kind by name: the suite's own, then those under the entry-point group ``pibench.<kind>``.

    A plugin's operator is imported when it is asked for.
    """

    def __init__(self, kind: str, own: Mapping[str, Operator]) -> None:
        self._kind, self._own = kind, own

    def __getitem__(self, name: str) -> Operator:
        """Return an operator.

        Raises:
            InputError: the name is unknown or taken twice, or its plugin does not bring an operator.
        """
        if name in self._own:
            return self._own[name]
        entry = self._plugins()[pick(self._kind, name, self)]
        operator = imported(self._kind, name, entry)
        if not isinstance(operator, Operator):
            raise InputError(f"{self._kind} {name!r} ({entry.value}) is no Operator; see {__name__}")
        return operator

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._plugins()

    def __iter__(self) -> Iterator[str]:
        return iter([*self._own, *sorted(self._plugins())])

    def __len__(self) -> int:
        return len(self._own) + len(self._plugins())

    def _plugins(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for entry in registered(f"pibench.{self._kind}"):
            other = found.setdefault(entry.name, entry)
            if entry.name in self._own or other.value != entry.value:
                taken = "the suite itself" if entry.name in self._own else other.value
                raise InputError(
                    f"the {self._kind} {entry.name!r} of {entry.value} has a name that {taken} uses; uninstall one"
                )
        return found
