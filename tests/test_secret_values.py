"""An operator that computes on a share without the interpreter is told what to use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from pibench.engines.lean.shares import Known, Mask, Shared
from pibench.errors import InputError

WORDS = torch.ones(2, 3, dtype=torch.int64)
SHARED, KNOWN = Shared(WORDS, 16), Known(WORDS, Mask(WORDS), 16)


@pytest.mark.parametrize("value", [SHARED, KNOWN], ids=["shared", "known"])
@pytest.mark.parametrize(
    ("compute", "words"),
    [
        (torch.exp, "'exp' .*use ops.exp"),
        (torch.relu, "'relu' .*use ops.relu"),
        (torch.nn.functional.gelu, "'gelu' .*use ops.gelu"),
        (lambda a: torch.softmax(a, -1), "'softmax' .*use ops.softmax"),
        (lambda a: torch.cat([a, a]), "'cat' .*use ops.concat"),
        (torch.sin, "'sin' .*use other primitives"),
        (lambda a: torch.ones(3) * a, "'mul' .*use ops.mul, or ops.scale by a public number"),
        (lambda a: torch.ones(3) + a, "'add' .*or ops.shift by a public number"),
        (lambda a: a.exp(), "'exp' .*use ops.exp"),
        (lambda a: a.clamp(min=0), "'clamp' .*use other primitives"),
        (lambda a: a * 2, "use ops.mul, or ops.scale"),
        (lambda a: 2 * a, "use ops.mul, or ops.scale"),
        (lambda a: a / 2, "use ops.divide, or ops.scale"),
        (lambda a: 1 / a, "use ops.divide, or ops.scale"),
        (lambda a: a**2, "use ops.square"),
        (lambda a: -a, "use ops.scale by -1"),
        (lambda a: a @ a, "use ops.matmul"),
        (lambda a: a > 0, "use ops.is_negative"),
        (lambda a: 1 - a, "ops.shift by a public number"),
    ],
)
def test_torch_on_a_secret_value_is_one_sentence(value: Any, compute: Callable[[Any], object], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        compute(value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("compute", [lambda a: a + 1.0, lambda a: a - torch.ones(3)])
def test_a_public_number_is_not_added_to_a_share(compute: Callable[[Any], object]) -> None:
    with pytest.raises(InputError, match=r"use ops\..*, or ops\.shift by a public number"):
        compute(SHARED)


def test_what_the_forward_pass_does_is_not_refused() -> None:
    assert (SHARED + SHARED - SHARED)[0].reshape(3, 1).transpose(0, 1).sum(-1).shape == (1,)
