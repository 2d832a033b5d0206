"""Many audited inferences: is every corrupted one seen?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.studies import Save
from pibench.engines.lean.parties import Parties
from pibench.engines.lean.switches import LEAN
from pibench.measure.engine import MINILM_LAYER, Setup, example, layers

DEPTH = 6
BATCH = 16
LENGTH = 16
WRONG = 0.5
"""Logits that differ by more are called wrong."""


def test_wraps(save: Save, log: Callable[[str], None], request: pytest.FixtureRequest) -> None:
    count = request.config.getoption("inferences")
    rows = []
    with Parties() as parties:
        for bits, part in ((LEAN.fraction_bits, 1.0), (16, 0.2)):
            switches = replace(LEAN, fraction_bits=bits)
            setup = Setup(f"{bits} bits", layers(MINILM_LAYER, DEPTH), switches=switches, batch=BATCH, seq_len=LENGTH)
            batches = -(-int(count * part) // (DEPTH * BATCH))
            rows.append({"fraction_bits": bits} | audit(parties, setup, batches, log))
    save("wraps", rows)
    assert not any(row["undetected"] for row in rows)


def audit(parties: Parties, setup: Setup, batches: int, log: Callable[[str], None]) -> dict[str, float]:
    """Run ``batches`` audited batches and compare every logit with float."""
    model, *_ = example(setup)
    parties.load(setup.name, model, setup.lowering, setup.switches)
    wraps = corrupted = wrong = undetected = 0
    largest = 0.0
    for number in range(batches):
        if number % 10 == 0:
            log(f"{setup.name}: batch {number + 1} of {batches}")
        ids = torch.randint(100, (setup.batch, setup.seq_len), generator=torch.Generator().manual_seed(number))
        keep = torch.ones_like(ids)
        with torch.no_grad():
            embedded = model.embeddings(ids, torch.zeros_like(ids))
            floats = model(ids, torch.zeros_like(ids), keep).logits.numpy()
        seen = parties.infer(setup.name, embedded.numpy(), keep.numpy(), audit=True)[0]
        difference = np.abs(seen.logits - floats).max(axis=1)
        bad = int((difference > WRONG).sum())
        wraps += seen.wraps or 0
        corrupted += bool(seen.wraps)
        wrong += bad
        if not seen.wraps:
            undetected += bad
            largest = max(largest, float(difference.max()))
    return {
        "inferences": batches * setup.batch * DEPTH,
        "wraps": wraps,
        "corrupted": corrupted,
        "wrong": wrong,
        "undetected": undetected,
        "largest_difference": largest,
    }
