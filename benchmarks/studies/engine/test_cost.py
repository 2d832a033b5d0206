"""What each switch saves, and how cost grows with depth, batch and length."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pibench.engines.crypten.settings import FAIR, STOCK
from pibench.measure.setups import (
    MINILM_LAYER,
    RECIPE_LAYER,
    Setup,
    Timed,
    ablation,
    interleaved,
    layers,
    profile,
    sessions,
)
from pibench.measure.study import Log, Save

MODEL_ROUNDS = {1: 8, 8: 3}
SCALING_ROUNDS = 3


def test_ablation(save: Save, log: Log) -> None:
    setups = ablation()
    setups.append(Setup("IG-3D's recipe: 6 heads, quad, quadratic", layers(RECIPE_LAYER)))
    with sessions(setups) as parties:
        timed = interleaved(parties, setups, log=log)
    save("ablation", _rows(timed))


def test_profile(save: Save, log: Log) -> None:
    setups = [
        Setup("lean", layers(MINILM_LAYER)),
        Setup("IG-3D's recipe", layers(RECIPE_LAYER)),
        Setup("CrypTen, fair lowering", layers(MINILM_LAYER), FAIR),
    ]
    with sessions(setups) as parties:
        timed = interleaved(parties, setups, log=log)
    save("profile", [row for one in timed for row in profile(one)])


def test_whole_model(save: Save, log: Log) -> None:
    rows = []
    dense = layers(MINILM_LAYER, 6)
    for batch, rounds in MODEL_ROUNDS.items():
        setups = [
            Setup("lean", dense, batch=batch),
            Setup("IG-3D's recipe, lean", layers(RECIPE_LAYER, 6), batch=batch),
            Setup("CrypTen, fair, dealer in the clock", dense, replace(FAIR, prefetch=False), batch),
        ]
        if batch == 1:  # CrypTen's tuples for larger batches do not fit into memory
            setups.append(Setup("CrypTen, fair lowering", dense, FAIR))
            setups.append(Setup("CrypTen, stock lowering", dense, STOCK))
        with sessions(setups) as parties:
            rows += _rows(interleaved(parties, setups, rounds, log))
    save("model", rows)


def test_scaling(save: Save, log: Log) -> None:
    points = [Setup("dense", layers(MINILM_LAYER), batch=batch) for batch in (1, 2, 4, 8, 16)]
    points += [Setup("dense", layers(MINILM_LAYER), seq_len=length) for length in (32, 64, 256, 512)]
    points += [replace(point, name="IG-3D's recipe", architecture=layers(RECIPE_LAYER)) for point in points]
    rows = []
    for point in points:
        log(f"{point.name}, batch {point.batch}, length {point.seq_len}")
        with sessions([point]) as parties:  # new parties, so that peak memory is that of this point
            rows += [timed.row() for timed in interleaved(parties, [point], SCALING_ROUNDS)]
    save("scaling", rows)


def _rows(timed: list[Timed]) -> list[dict[str, Any]]:
    return [one.row(timed[0]) for one in timed]
