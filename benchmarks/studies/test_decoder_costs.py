"""What decoders of a paper's size cost on the lean engine, next to what the paper reports for them."""

from __future__ import annotations

from pibench.measure.decoders import one_layer_each, whole
from pibench.measure.setups import interleaved, sessions
from pibench.measure.study import Log, Save
from pibench.methods.registry import METHODS
from pibench.methods.studies import ReportsDecoderCosts

ROUNDS = 5


def test_decoder_costs(save: Save, log: Log) -> None:
    rows = []
    for name, method in METHODS.items():
        reported = method.reported_costs if isinstance(method, ReportsDecoderCosts) else ()
        for seq_len in dict.fromkeys(row.seq_len for row in reported):
            own = [row for row in reported if row.seq_len == seq_len]
            layers = one_layer_each(own)
            log(f"{name}: {len(layers)} layers of {seq_len} tokens")
            with sessions(layers) as parties:
                timed = interleaved(parties, layers, ROUNDS, log)
            rows += [whole(row, name) for row in own]
            rows += [{"method": name, "whole": False} | one.row(timed[0]) for one in timed]
    save("decoder_costs", rows)
