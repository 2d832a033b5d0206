"""The nine tasks of GLUE (Wang et al., ICLR 2019).

The fingerprints of its splits tell GLUE's own data in a folder from other data. Those of QQP, and of the training
splits of MNLI and QNLI, are not known here. Of QQP a public part is known.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from pibench.tasks import grammar
from pibench.tasks.task import Hub, Part, Task

DATASET = "nyu-mll/glue"
REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
_PAIR = ("sentence1", "sentence2")


def hub(config: str) -> Hub:
    """Return where the hub has one of GLUE's configurations."""
    return Hub(DATASET, config, REVISION)


def _glue(name: str, columns: tuple[str, ...], outputs: int, metrics: tuple[str, ...], **more: Any) -> Task:
    return Task(name, columns, outputs, metrics, suite="glue", hub=hub(name), **more)


COLA = _glue(
    "cola",
    ("sentence",),
    2,
    ("matthews",),
    generate=grammar.acceptability,
    position=0,
    seeds=3,
    examples=(8_551, 1_043),
    fingerprints=("3c627f684a4c5cbf", "838146a4ae006b93"),
)
SST2 = _glue(
    "sst2",
    ("sentence",),
    2,
    ("accuracy",),
    generate=grammar.sentiment,
    position=1,
    examples=(67_349, 872),
    fingerprints=("1f212f8e3132d6b6", "42ca7f91b4e45d48"),
)
MRPC = _glue(
    "mrpc",
    _PAIR,
    2,
    ("accuracy", "f1"),
    generate=grammar.paraphrase,
    position=2,
    seeds=3,
    examples=(3_668, 408),
    fingerprints=("9d8c9b77716009be", "d4dfe3365e40e1e1"),
)
QQP = _glue(
    "qqp",
    ("question1", "question2"),
    2,
    ("accuracy", "f1"),
    generate=grammar.same_question,
    position=3,
    examples=(363_846, 40_430),
    parts=(Part("1bb6c513a8b19435", "examples cut from GLUE's training split"),),
)
STSB = _glue(
    "stsb",
    _PAIR,
    1,
    ("pearson", "spearman"),
    generate=grammar.similarity,
    position=4,
    seeds=3,
    scores=(0.0, 5.0),
    examples=(5_749, 1_500),
    fingerprints=("2e169fbc470ecbd8", "70744a3274d2a221"),
)
MNLI = _glue(
    "mnli",
    ("premise", "hypothesis"),
    3,
    ("accuracy",),
    validation="validation_matched",
    generate=partial(grammar.entailment, classes=3),
    position=5,
    examples=(392_702, 9_815),
    fingerprints=(None, "a68f9bbf7fd35a91"),
)
QNLI = _glue(
    "qnli",
    ("question", "sentence"),
    2,
    ("accuracy",),
    generate=grammar.answer,
    position=6,
    examples=(104_743, 5_463),
    fingerprints=(None, "ae697a6445c58a2a"),
)
RTE = _glue(
    "rte",
    _PAIR,
    2,
    ("accuracy",),
    generate=grammar.entailment,
    position=7,
    seeds=3,
    examples=(2_490, 277),
    fingerprints=("7de65bbadf1673e9", "2d557e5054c17160"),
)
WNLI = _glue(
    "wnli",
    _PAIR,
    2,
    ("accuracy",),
    generate=partial(grammar.entailment, entailed=1),
    position=8,
    averaged=False,
    examples=(635, 71),
    fingerprints=("70c518a9c1b650fa", "eaa15e9e8892e4aa"),
)
