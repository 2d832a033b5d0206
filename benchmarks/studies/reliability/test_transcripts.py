"""What the parties receive, statistically: uniform with a third-party dealer, readable with party 0 as the dealer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from pibench.engines.lean.protocol import CLIENT, SERVER, Beaver
from pibench.engines.lean.shares import Shared
from pibench.measure.study import Log, Save
from pibench.testing.models import tiny_model
from pibench.testing.transcripts import (
    Transcripts,
    Views,
    correlated,
    encoder_runs,
    joint,
    read_back,
    smallest,
    told_apart,
    uniform,
)
from pibench.testing.two_parties import ADDEND, FACTOR, meet, third_party

RUNS = 200
ALPHA = 1e-3


def test_transcripts(save: Save, log: Log) -> None:
    """Whole runs on one text, on another, and on texts that grow with a number; the smallest p of all messages."""
    scales = np.random.default_rng(0).uniform(-3, 3, RUNS)
    texts = (([0.0] * RUNS, 0), ([3.0] * RUNS, 10_000), (scales, 20_000))
    one, other, grown = (encoder_runs(tiny_model(layers=1), *text) for text in texts)
    beside = smallest(joint(one.own, one.others))
    read: dict[str, Callable[[Views], Transcripts]] = {
        "the server, from the client": lambda views: views.received[SERVER],
        "the client, from the server": lambda views: views.received[CLIENT],
        "the server, from the dealer": lambda views: views.dealt,
    }
    rows = []
    for who, of in read.items():
        dealt = "dealer" in who
        rows.append(
            {
                "received": who,
                "runs": 3 * RUNS,
                "messages": len(of(one)[0]),
                "uniform": smallest([p for views in (one, other, grown) for p in uniform(of(views), short=dealt)]),
                "told_apart": smallest(told_apart(of(one), of(other))),
                "follows": smallest(correlated(of(grown), scales)),
                "joint": None if dealt else beside,
            }
        )
        log(f"{rows[-1]}")
    save("reliability_transcripts", rows)
    save("reliability_leak", [_leak("first-party"), _leak("third-party")])
    assert min(row[key] for row in rows for key in ("uniform", "told_apart", "follows")) > ALPHA
    assert beside > ALPHA


def _leak(dealer: str) -> dict[str, object]:
    """Return how many numbers of the client's text the server reads back from its own view of one product."""
    text = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))

    def program(ops: Beaver) -> Shared:
        secret = ops.secret(text, CLIENT)
        ops.linear(secret, ops.weight(FACTOR, torch.ones(2, 64)), ops.weight(ADDEND, torch.zeros(2)))
        return secret

    dealers = third_party(program)[0] if dealer == "third-party" else None
    back = read_back(meet(program, dealers=dealers).results[SERVER])
    right = 0 if back is None else int(((back - text).abs() < 2.0**-13).sum())
    return {"dealer": dealer, "numbers": text.numel(), "read_back": right}
