"""Registries: objects of one kind by name, from the suite itself and from plugins, found through entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from typing import Any, Generic, TypeVar

from pibench.errors import InputError, one_line, pick

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Objects of one kind by name, each an entry point of ``group``; the suite's own are registered like plugins.

    Listing the names imports nothing; an object is imported when it is first used.

    Args:
        kind: what error messages call such an object.
        group: the entry-point group.
        type_: the type that each object must have.
        make: turns what an entry point holds into the object, such as a class into its instance.
        named: returns the name that an object gives itself, which must be the entry point's.
        own: objects that need no entry point; they come before all others.
        first: the name that comes before the others, which are sorted.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        type_: type[T],
        make: Callable[[Any], Any] | None = None,
        named: Callable[[T], str | None] | None = None,
        own: Mapping[str, T] | None = None,
        first: str | None = None,
    ) -> None:
        self.kind, self.group = kind, group
        self._type, self._make, self._named = type_, make, named
        self._own, self._first = own or {}, first
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """Return the object of that name.

        Raises:
            InputError: the name is unknown or used twice, or its plugin fails to import or holds another type.
        """
        if name in self._own:
            return self._own[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(name, self._entries()[pick(self.kind, name, self)])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._entries()

    def __iter__(self) -> Iterator[str]:
        return iter([*self._own, *sorted(self._entries(), key=lambda name: (name != self._first, name))])

    def __len__(self) -> int:
        return len(self._own) + len(self._entries())

    def _entries(self) -> dict[str, EntryPoint]:
        found = entries(self.kind, self.group)
        for name in found.keys() & self._own.keys():
            raise InputError(
                f"the {self.kind} {name!r} of {found[name].value} has a name that the suite itself uses; uninstall it"
            )
        return found

    def _load(self, name: str, entry: EntryPoint) -> T:
        called = f"{self.kind} {name!r} ({entry.value})"
        try:
            found = entry.load()
            found = self._make(found) if self._make else found
        except Exception as error:
            raise InputError(f"{called} failed to import: {one_line(error)}; repair or uninstall its plugin") from error
        if not isinstance(found, self._type):
            raise InputError(f"{called} is not of type {self._type.__name__}; see {self._type.__module__}")
        if self._named and (own := self._named(found)) != name:
            raise InputError(f"{called} names itself {own!r}; the two names must agree, see {self._type.__module__}")
        return found


def entries(kind: str, group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name.

    Raises:
        InputError: an installed package's metadata cannot be read, or two packages use one name.
    """
    found: dict[str, EntryPoint] = {}
    for entry in registered(group):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise InputError(
                f"two plugins register the {kind} {entry.name!r}: {other.value} and {entry.value}; uninstall one"
            )
    return found


def registered(group: str) -> list[EntryPoint]:
    """Return all entry points of a group.

    Raises:
        InputError: an installed package's metadata cannot be read.
    """
    try:
        return list(entry_points(group=group))
    except Exception as error:  # damaged metadata can make importlib raise any error
        broken = [name for distribution in distributions() if (name := _unreadable(distribution))]
        raise InputError(
            f"the entry points of {', '.join(broken) or 'an installed package'} cannot be read "
            f"({type(error).__name__}): repair or uninstall it"
        ) from error


def _unreadable(distribution: Distribution) -> str | None:
    try:
        list(distribution.entry_points)
    except Exception:
        return repr(distribution.name)
    return None
