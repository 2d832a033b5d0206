"""The nine tasks of GLUE (Wang et al., ICLR 2019)."""

from __future__ import annotations

from functools import partial
from typing import Any

from pibench.tasks import grammar
from pibench.tasks.task import Hub, Task

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
)
SST2 = _glue("sst2", ("sentence",), 2, ("accuracy",), generate=grammar.sentiment, position=1, examples=(67_349, 872))
MRPC = _glue(
    "mrpc", _PAIR, 2, ("accuracy", "f1"), generate=grammar.paraphrase, position=2, seeds=3, examples=(3_668, 408)
)
QQP = _glue(
    "qqp",
    ("question1", "question2"),
    2,
    ("accuracy", "f1"),
    generate=grammar.same_question,
    position=3,
    examples=(363_846, 40_430),
)
STSB = _glue(
    "stsb", _PAIR, 1, ("pearson", "spearman"), generate=grammar.similarity, position=4, seeds=3, examples=(5_749, 1_500)
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
)
QNLI = _glue(
    "qnli", ("question", "sentence"), 2, ("accuracy",), generate=grammar.answer, position=6, examples=(104_743, 5_463)
)
RTE = _glue("rte", _PAIR, 2, ("accuracy",), generate=grammar.entailment, position=7, seeds=3, examples=(2_490, 277))
WNLI = _glue(
    "wnli", _PAIR, 2, ("accuracy",), generate=partial(grammar.entailment, entailed=1), position=8, examples=(635, 71)
)
