"""What a model answered on every validation example, kept in its accuracy record.

An array is written as text: base64 of its zlib-compressed little-endian float32 values, row by row.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax

from pibench.errors import InputError
from pibench.tasks.metrics import answers, score
from pibench.tasks.task import Task

_TYPE = np.dtype("<f4")


@dataclass(frozen=True)
class Outputs:
    """Labels (examples,), and logits (examples, outputs) in floats and, unless missing, in emulated fixed point."""

    labels: np.ndarray
    float: np.ndarray
    fixed: np.ndarray | None

    def packed(self) -> dict[str, str | None]:
        """Return the outputs as a record holds them."""
        fixed = None if self.fixed is None else _text(self.fixed)
        return {"labels": _text(self.labels), "float": _text(self.float), "fixed": fixed}

    @classmethod
    def unpacked(cls, packed: Mapping[str, str | None], examples: int) -> Outputs:
        """Return what :meth:`packed` wrote; labels are class ids unless there is one output.

        Raises:
            InputError: the text is damaged, or is not of that many examples.
        """
        labels, floats, fixed = (text if text is None else _array(text) for text in map(packed.get, _PARTS))
        if labels is None or floats is None or len(labels) != examples or len(floats) % examples:
            raise InputError(f"the outputs of a record are not those of {examples} examples: measure it again")
        floats = floats.reshape(examples, -1)
        kind = np.float64 if floats.shape[1] == 1 else np.int64
        return cls(labels.astype(kind), floats, None if fixed is None else fixed.reshape(floats.shape))


_PARTS = ("labels", "float", "fixed")


def fidelity(task: Task, own: np.ndarray, dense: np.ndarray) -> float:
    """Return in percent how often a model answers as the dense model does; a regression's correlation with it.

    Both hold logits (examples, outputs). The correlation is Pearson's, and 0 where one side is constant.
    """
    likeness = replace(task, metrics=("pearson" if task.regression else "accuracy",))
    return score(likeness, answers(task, own), answers(task, dense))["score"]


def divergence(task: Task, own: np.ndarray, dense: np.ndarray) -> float:
    """Return the mean Kullback-Leibler divergence of a model from the dense model in nats; a regression's mean squared
    difference.

    Both hold logits (examples, outputs).
    """
    own, dense = own.astype(np.float64), dense.astype(np.float64)
    if task.regression:
        return float(((own - dense) ** 2).mean())
    theirs = log_softmax(dense, axis=1)
    return float((np.exp(theirs) * (theirs - log_softmax(own, axis=1))).sum(1).mean())


def _text(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values, _TYPE).tobytes(), 9)).decode("ascii")


def _array(text: str) -> np.ndarray:
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), _TYPE)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise InputError(f"the outputs of a record are damaged ({error}): restore it, or measure it again") from error
