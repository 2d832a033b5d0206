"""Registries: objects of one kind by name, from the suite itself and from plugins, found through entry points."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

from pibench import CHECKOUT
from pibench.errors import InputError, one_line, pick

T = TypeVar("T")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
LONGEST_NAME = 60
"""Characters of a name: the file name of a record holds several names, and may have 255 bytes."""
_SUITES_PACKAGES = ("pibench", "ig3d", "baselines")
_groups: set[str] = set()
"""The entry-point group of every registry."""


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
        _groups.add(group)
        self._type, self._make, self._named = type_, make, named
        self._own, self._first = {} if own is None else own, first
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
        _refuse_another_package(called, entry)
        try:
            found = entry.load()
            found = self._make(found) if self._make else found
        except Exception as error:
            raise InputError(f"{called} failed to import: {located(error)}; repair or uninstall its plugin") from error
        if not isinstance(found, self._type):
            raise InputError(f"{called} is not of type {self._type.__name__}; see {self._type.__module__}")
        if self._named and (own := self._named(found)) != name:
            raise InputError(f"{called} names itself {own!r}; the two names must agree, see {self._type.__module__}")
        return found


def entries(kind: str, group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name.

    Raises:
        InputError: an installed package's metadata cannot be read, a name is invalid, or two packages use one name.
    """
    found: dict[str, EntryPoint] = {}
    for entry in registered(group):
        if not NAME.fullmatch(entry.name) or len(entry.name) > LONGEST_NAME:
            raise InputError(
                f"the {kind} {entry.name!r} of {entry.value} has a bad name: use at most {LONGEST_NAME} letters, "
                "digits and ._+-, a letter or digit first"
            )
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


def _refuse_another_package(called: str, entry: EntryPoint) -> None:
    """Raise if Python would import a plugin of the suite's own from another package of the same name."""
    package = _package(entry.value)
    if package not in _SUITES_PACKAGES:
        return
    found, own = package_file(package), own_file(package)
    if found and found != own:
        raise InputError(
            f"{called} cannot be imported: {package} was found at {found}, not the suite's own at {own}; "
            "rename that file or take its folder off the Python path"
        )


def package_file(package: str) -> Path | None:
    """Return the file, or the folder without one, that Python imports a package from; None if it finds none."""
    spec = find_spec(package)
    places = [spec.origin, *(spec.submodule_search_locations or [])] if spec else []
    return next((Path(place).resolve() for place in places if place), None)


def own_file(package: str) -> Path:
    """Return the file that one of the suite's packages must be imported from."""
    return CHECKOUT / package / "__init__.py"


def _package(module: str) -> str:
    return re.split("[.:]", module)[0]


def located(error: BaseException) -> str:
    """Return one line about an error: its type, unless users can fix it, its text, and where it arose if known."""
    text = " ".join(str(error).split()) if isinstance(error, InputError) else one_line(error)
    place = _place(error, _of_plugins()) or (None if isinstance(error, InputError) else _place(error, {"pibench"}))
    return f"{text} ({place})" if place else text


def _of_plugins() -> set[str]:
    """Return the packages of all plugins; none if they cannot be read, which another error says."""
    with suppress(InputError):
        return {_package(entry.value) for group in _groups for entry in registered(group)} - {"pibench"}
    return set()


def _place(error: BaseException, packages: set[str]) -> str | None:
    """Return file and line of the innermost frame in one of the packages, as ``package/module.py:12``."""
    inside = list(traceback.walk_tb(error.__traceback__))[1:]  # the first frame is the one that caught the error
    for frame, line in reversed(inside):
        module, file = frame.f_globals.get("__name__", ""), Path(frame.f_code.co_filename)
        if _package(module) in packages:
            depth = module.count(".") + 1 + (file.name == "__init__.py")
            return f"{'/'.join(file.parts[-depth:])}:{line}"
    return None
