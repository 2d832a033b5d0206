"""Many audited inferences: does the audit detect every corrupted one?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pibench.engines.engine import Session
from pibench.engines.lean.parties import LeanParties
from pibench.engines.lean.switches import LEAN
from pibench.measure.cost import at_random
from pibench.measure.setups import MINILM_LAYER, Setup, layers
from pibench.measure.study import Log, Save

DEPTH = 6
BATCH = 16
LENGTH = 16
WRONG = 0.5
"""Logits that differ by more than this count as wrong."""


def test_wraps(save: Save, log: Log, request: pytest.FixtureRequest) -> None:
    count = request.config.getoption("inferences")
    rows = []
    with LeanParties(Session()) as parties:
        for bits, part in ((LEAN.fraction_bits, 1.0), (16, 0.2)):
            switches = replace(LEAN, fraction_bits=bits)
            setup = Setup(f"{bits} bits", layers(MINILM_LAYER, DEPTH), switches, BATCH, LENGTH)
            batches = -(-int(count * part) // (DEPTH * BATCH))
            rows.append({"fraction_bits": bits} | audit(parties, setup, batches, log))
    save("wraps", rows)
    assert not any(row["undetected"] for row in rows)


def audit(parties: LeanParties, setup: Setup, batches: int, log: Log) -> dict[str, float]:
    """Run ``batches`` audited batches and compare every logit with float."""
    model = at_random(setup.architecture, setup.batch, setup.seq_len).model
    parties.load(setup.name, model, setup.settings)
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
        seen = parties.infer(setup.name, embedded.numpy(), keep.numpy(), audit=True)
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
