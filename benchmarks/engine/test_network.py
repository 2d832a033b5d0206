"""Does the latency model hold on a real, emulated link?"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import pytest

from benchmarks.studies import Save
from pibench.engines.lean.ledger import Cost
from pibench.engines.lean.parties import Parties
from pibench.engines.lean.switches import CRYPTEN
from pibench.measure.engine import MINILM_LAYER, RECIPE_LAYER, Setup, interleaved, layers
from pibench.net.emulation import available, emulated_link
from pibench.net.profiles import NETWORKS, latency
from pibench.results.cost import PARTIES

LINKS = ("wan", "ditto-wan", "nimbus-wan", "lan")
UNCHECKED = {"lan"}
"""Shown only: on two cores the delay program, a third process, adds a wake-up to each of a LAN's short rounds."""
TOLERANCE = 0.10
ROUNDS = 5
SETUPS = (
    Setup("lean", layers(MINILM_LAYER)),
    Setup("IG-3D's recipe, lean", layers(RECIPE_LAYER)),
    Setup("CrypTen, fair lowering", layers(MINILM_LAYER), "fair", CRYPTEN),
    Setup("CrypTen, IG-3D's recipe", layers(RECIPE_LAYER), "fair", CRYPTEN),
)


def test_latency_model(save: Save, log: Callable[[str], None]) -> None:
    if reason := available():
        pytest.skip(reason)
    with Parties(models_at_once=len(SETUPS)) as parties:
        local = interleaved(parties, SETUPS, ROUNDS)
    compute = {timed.setup.name: median(run.compute_seconds for run in timed.runs) for timed in local}
    rows: list[dict[str, Any]] = []
    for link in LINKS:
        log(f"{link}: {NETWORKS[link].bandwidth / 1e6:g} Mbit/s, {NETWORKS[link].rtt * 1e3:g} ms")
        with emulated_link(NETWORKS[link]) as ends, Parties(models_at_once=len(SETUPS), ends=ends) as parties:
            for timed in interleaved(parties, SETUPS, ROUNDS):
                total = sum(timed.runs[0].costs.values(), Cost())
                modelled = latency(
                    NETWORKS[link],
                    compute[timed.setup.name],
                    total.bytes / PARTIES,
                    total.rounds,
                    timed.setup.switches.round_trips,
                )
                rows.append(
                    {
                        "link": link,
                        "setup": timed.setup.name,
                        "bytes_total": total.bytes,
                        "rounds": total.rounds,
                        "seconds": [run.seconds for run in timed.runs],
                        "modelled": modelled,
                    }
                )
    save("network", rows)
    checked = [row for row in rows if row["link"] not in UNCHECKED]
    wrong = [row for row in checked if abs(row["modelled"] / median(row["seconds"]) - 1) > TOLERANCE]
    assert not wrong, f"the model is off by more than {TOLERANCE:.0%}: {[(row['link'], row['setup']) for row in wrong]}"
