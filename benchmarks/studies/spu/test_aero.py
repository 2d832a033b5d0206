"""AERO's configurations on the protocol that its authors used: reported against measured."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from benchmarks.studies.spu.conftest import Costs
from pibench.engines.security import in_words
from pibench.engines.spu.engine import Cheetah, SpuEngine
from pibench.measure.spu import SESSION, summed
from pibench.measure.study import Save
from pibench.methods.registry import METHODS

RUNGS = ("SM+LN+G", "SM+LN+R", "SM+ScFFN", "SM+ScFuFFN")
LAYERS, SEQ_LEN = 12, 128


def test_aero(save: Save, engines: list[SpuEngine], costs: Costs) -> None:
    """Twelve times one GPT-2 layer, and one layer of a BERT of that size, with weights that only the server has."""
    method: Any = METHODS["aero"]
    cheetah, rows = next((engine for engine in engines if isinstance(engine, Cheetah)), None), []
    if cheetah is None:
        pytest.skip("CHEETAH takes half an hour: name spu-cheetah in --engine")
    for row in method.reported_costs:
        if row.rung not in RUNGS or (row.layers, row.seq_len) != (LAYERS, SEQ_LEN):
            continue
        decoder = row.architecture(LAYERS)
        encoder = replace(decoder, family="encoder", layers=decoder.layers[:1])
        found = costs(cheetah, [*decoder.single_layers(), *encoder.single_layers()], SEQ_LEN)
        for name, architecture in (("GPT-2", decoder), ("BERT-base layer", encoder)):
            reported = asdict(row) if name == "GPT-2" else None
            rows.append({"model": name, "rung": row.rung, "reported": reported} | summed(found, architecture))
    save("aero_cheetah", rows, "spu", {cheetah.name: in_words(cheetah.security(SESSION))})
