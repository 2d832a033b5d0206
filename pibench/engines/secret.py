"""A base for secret values: torch's functions and most of Python's operators have no protocol, and are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from pibench.errors import InputError
from pibench.model.primitives import Interpreter

_INSTEAD = {
    "add": "ops.add, or ops.shift by a public number",
    "sub": "ops.sub, or ops.shift by a public number",
    "mul": "ops.mul, or ops.scale by a public number",
    "div": "ops.divide, or ops.scale by a public number",
    "neg": "ops.scale by -1",
    "pow": "ops.square and ops.mul",
    "lt": "ops.is_negative of the difference",
    "gt": "ops.is_negative of the difference",
    "rsqrt": "ops.inverse_sqrt",
    "amax": "ops.max",
    "cat": "ops.concat",
}
"""What to use instead of a function of torch's that no primitive is named after, or that two stand for."""


def refuse(name: str) -> NoReturn:
    """Refuse torch's function, or its tensors' method, of that name.

    Raises:
        InputError: always; the sentence says what to use instead.
    """
    instead = _INSTEAD.get(name) or (f"ops.{name}" if hasattr(Interpreter, name) else "other primitives of ops")
    raise InputError(f"an operator computes {name!r} on a secret value, which torch cannot: use {instead}")


def _refused(name: str) -> Callable[..., Any]:
    def method(self: Any, *other: Any) -> NoReturn:
        refuse(name)

    return method


class Secret:
    """A value that only an interpreter's primitives compute with; they are named where something else is tried."""

    __slots__ = ()

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, arguments: Any = (), options: Any = None) -> NoReturn:
        refuse(function.__name__.strip("_"))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python asks for its own protocols, such as that of copying
            raise AttributeError(name)
        refuse(name)

    __radd__, __rsub__ = _refused("add"), _refused("sub")
    __mul__ = __rmul__ = _refused("mul")
    __truediv__ = __rtruediv__ = _refused("div")
    __matmul__ = __rmatmul__ = _refused("matmul")
    __pow__, __neg__ = _refused("pow"), _refused("neg")
    __lt__ = __le__ = _refused("lt")
    __gt__ = __ge__ = _refused("gt")
