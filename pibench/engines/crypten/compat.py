"""Make CrypTen 0.4.1 importable, and say what to install where it is missing.

Two modules that CrypTen imports for its ONNX converter, which we never use, break its import:
``torch.onnx._internal.registration`` moved in newer torch, and ``onnx`` is a heavy package. Empty modules
take their place while CrypTen is imported. The ``onnx`` ones are removed again, because transformers looks
for ``onnx.__spec__`` and fails on an empty module.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from pibench.errors import InputError

INSTALL = "pip install --no-deps crypten==0.4.1 && pip install omegaconf pyyaml"

_REGISTRATION = "torch.onnx._internal.registration"
_ONNX = ("onnx", "onnx.numpy_helper")


def import_crypten() -> Any:
    """Return the ``crypten`` module.

    Raises:
        InputError: CrypTen, or a package that it needs, is not installed.
    """
    if "crypten" in sys.modules:
        return sys.modules["crypten"]
    _provide_registration()
    stand_ins = [name for name in _ONNX if name not in sys.modules]
    sys.modules.update({name: ModuleType(name) for name in stand_ins})
    try:
        return importlib.import_module("crypten")
    except ModuleNotFoundError as error:
        raise InputError(f"running under MPC needs CrypTen ({error.name!r} is missing): run `{INSTALL}`") from error
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _provide_registration() -> None:
    try:
        importlib.import_module(_REGISTRATION)
    except ModuleNotFoundError:
        module = ModuleType(_REGISTRATION)
        module.registry = None  # type: ignore[attr-defined]
        sys.modules[_REGISTRATION] = module
