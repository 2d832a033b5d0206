"""Methods by name, from the entry-point group ``pibench.methods``: dense first, then the others, sorted."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from pibench.errors import InputError
from pibench.methods.contract import Method, MethodInfo
from pibench.plugins import Registry


def _made(method: Callable[[], Method]) -> Method:
    made = method()
    if isinstance(made, Method):
        try:
            inspect.signature(made.compress).bind("dense", "data", "budget", "variant")
        except TypeError as error:
            raise InputError(f"compress takes other arguments than dense, data, budget and variant: {error}") from error
    return made


def _name(method: Method) -> str | None:
    return method.info.name if isinstance(method.info, MethodInfo) else None


METHODS: Registry[Method] = Registry(
    "method",
    "pibench.methods",
    Method,  # type: ignore[type-abstract]
    make=_made,
    named=_name,
    first="dense",
)
"""Every registered method; a method is a class without constructor arguments, and is created when first used."""
