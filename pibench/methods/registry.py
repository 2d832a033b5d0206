"""Methods by name, from the entry-point group ``pibench.methods``: dense first, then the others, sorted."""

from __future__ import annotations

from operator import call

from pibench.methods.contract import Method, MethodInfo
from pibench.plugins import Registry


def _name(method: Method) -> str | None:
    return method.info.name if isinstance(method.info, MethodInfo) else None


METHODS: Registry[Method] = Registry(
    "method",
    "pibench.methods",
    Method,  # type: ignore[type-abstract]
    make=call,
    named=_name,
    first="dense",
)
"""Every registered method; a method is a class without constructor arguments, and is created when first used."""
