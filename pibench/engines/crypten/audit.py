"""Shows the truncations of CrypTen's own tensors to the audit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pibench.engines.crypten.compat import import_crypten
from pibench.engines.lean.audit import WrapCounter


@contextmanager
def watch_crypten(counter: WrapCounter) -> Iterator[None]:
    """While active, show ``counter`` every truncation of CrypTen's own tensors."""
    import_crypten()
    from crypten.mpc.primitives import ArithmeticSharedTensor

    plain = ArithmeticSharedTensor.div_

    def audited(self: Any, y: Any) -> Any:
        if isinstance(y, int):
            counter(self.share)
        return plain(self, y)

    ArithmeticSharedTensor.div_ = audited
    try:
        yield
    finally:
        ArithmeticSharedTensor.div_ = plain
