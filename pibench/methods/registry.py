"""Methods by name, from the entry-point group ``pibench.methods``; in-tree methods use the same door as plugins.

Listing names imports no method; a method is imported when it is asked for.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint
from operator import call

from pibench.errors import InputError, pick
from pibench.methods.contract import Method, MethodInfo
from pibench.plugins import imported, registered

GROUP = "pibench.methods"


def _entry_points() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in registered(GROUP):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise InputError(
                f"two plugins register the method {entry.name!r}: {other.value} and {entry.value}; uninstall one"
            )
    return found


def names() -> list[str]:
    """Return the names of all registered methods, sorted, dense first."""
    return sorted(_entry_points(), key=lambda name: (name != "dense", name))


def get(name: str) -> Method:
    """Import and return a method.

    Raises:
        InputError: the name is unknown, its plugin does not import, or it breaks the contract.
    """
    found = _entry_points()
    entry = found[pick("method", name, names())]
    method = imported("method", name, entry, call)
    if not isinstance(method, Method) or not isinstance(method.info, MethodInfo):
        raise InputError(f"method {name!r} ({entry.value}) has no `info` and `compress`; see pibench.methods.contract")
    if method.info.name != name:
        raise InputError(f"method {name!r} ({entry.value}) calls itself {method.info.name!r}; names must agree")
    return method
