from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from baselines.aero.paper import REPORTED
from pibench.disk import Cache
from pibench.engines.lean.ledger import predict
from pibench.measure.decoders import one_layer_each, whole
from pibench.measure.language import learned, outcome
from pibench.results import figures, records
from pibench.results.render import Table
from pibench.results.studies import study_tables
from pibench.tasks.text import Corpus, TextData
from pibench.training.language import LanguageBudget
from tests.test_studies import cost_row, study

LEARNED = {
    "method": "aero",
    "rung": "SM+LN+G",
    "seed": 0,
    "corpus": "cats",
    "steps": 10,
    "batch_size": 2,
    "seq_len": 16,
    "vocabulary": 300,
    "parameters": 1_500_000,
    "loss": 3.0,
    "perplexity": 20.0,
    "bits_per_byte": 1.5,
    "diverged_at": None,
    "reported_perplexity": 2.5,
    "entropies": [[0.1, 0.5], [0.8, 0.9]],
}
DIVERGED = LEARNED | dict.fromkeys(("loss", "perplexity", "bits_per_byte", "reported_perplexity", "entropies"))


def cells(table: Table) -> list[dict[str, Any]]:
    return [dict(zip([column.key for column in table.columns], row, strict=True)) for row in table.rows]


def test_language_compares_each_rung_with_the_first() -> None:
    rows = [
        LEARNED,
        LEARNED | {"rung": "SM+R", "perplexity": 24.0, "reported_perplexity": 3.0},
        LEARNED | {"rung": "SM+R", "perplexity": 26.0, "reported_perplexity": 3.0, "seed": 1},
        DIVERGED | {"rung": "SM", "diverged_at": 7},
    ]
    record = study("language", rows)
    assert records.validate(record) == []
    first, second, third = cells(study_tables([record])[0])
    assert (first["collapsed"], first["overloaded"], first["diverged"]) == (25, 50, 0)
    assert (second["perplexity"], second["over_first"], second["seeds"]) == (25.0, pytest.approx(25), 2)
    assert (second["reported"], second["reported_over_first"]) == (3.0, pytest.approx(20))
    assert third["perplexity"] is third["over_first"] is third["collapsed"] is None
    assert third["diverged"] == 1


def test_language_says_how_far_the_order_is_the_paper_s() -> None:
    def row(rung: str, perplexity: float, reported: float | None) -> dict[str, Any]:
        return LEARNED | {"rung": rung, "perplexity": perplexity, "reported_perplexity": reported}

    same = [row("a", 20, 1), row("b", 21, 2), row("c", 22, 3), row("d", 24, 4)]
    (table,) = study_tables([study("language", [*same, row("e", 1, None), DIVERGED | {"diverged_at": 3, "rung": "f"}])])
    assert "the 4 that both have: 1.00" in table.notes[2]
    (table,) = study_tables([study("language", same[:3])])
    assert "Spearman" not in table.notes[2]


def test_decoder_costs_takes_each_ratio_on_its_own_side() -> None:
    rungs = ("SM+LN+G", "SM+LN+R", "SM+ScFFN", "SM+ScFuFFN", "SM+ScFuFFN_i6", "SM")
    own = [row for row in REPORTED if (row.layers, row.seq_len) == (12, 128) and row.rung in rungs]
    own.sort(key=lambda row: rungs.index(row.rung))
    layers = [cost_row(one.name, [0.5], architecture=one.name) for one in one_layer_each(own)]
    for number, row in enumerate(layers):
        row.update(seconds=[0.5 / (number + 1)], compute_seconds=[0.25 / (number + 1)])
    rows = [whole(row, "aero") for row in own] + [{"whole": False} | row for row in layers]
    record = study("decoder_costs", rows)
    assert records.validate(record) == []
    table = cells(study_tables([record])[0])
    assert [row["rung"] for row in table] == [row.rung for row in own]
    assert table[1]["reported_reduction"] == pytest.approx(25.32 / 9.44)
    assert table[0]["reduction"] == table[0]["speedup"] == 1
    assert table[0]["seconds"] == pytest.approx(12 * 0.5)
    assert table[1]["reduction"] == rows[0]["bytes_total"] / rows[1]["bytes_total"] > 1
    assert table[5]["reported_gigabytes"] is table[5]["reported_speedup"] is table[5]["needed_mbits"] is None
    # Six layers with an FFN and six without: two kinds of layer, each with its own time.
    assert table[4]["seconds"] == pytest.approx(6 * 0.5 / 4 + 6 * 0.5 / 5)


def test_whole_decoders_are_the_ledger_s() -> None:
    row = next(row for row in REPORTED if row.rung == "SM+ScFuFFN_i6")
    found = whole(row, "aero")
    assert found["bytes_total"] == predict(row.architecture(12), 1, 128).total().bytes
    assert sum(found["megabytes_by_group"].values()) == pytest.approx(found["bytes_total"] / 1e6)
    assert found["megabytes_by_group"]["activation"] == 0
    assert len(set(found["layers"])) == 2


@pytest.mark.parametrize(
    ("seq_len", "rung", "mbits"), [(128, "SM+LN+G", 206), (256, "SM+LN+G", 235), (512, "SM+LN+G", 315)]
)
def test_the_stated_link_cannot_carry_the_reported_traffic(seq_len: int, rung: str, mbits: float) -> None:
    row = next(row for row in REPORTED if (row.layers, row.seq_len, row.rung) == (12, seq_len, rung))
    assert row.needed_mbits is not None
    assert row.needed_mbits == pytest.approx(mbits, abs=0.5)
    assert row.needed_mbits > 2 * 100


def text() -> TextData:
    return TextData(Corpus("cats", "sample", "a", "b"), 300, torch.zeros(9), torch.zeros(9), 2.0)


BUDGET = LanguageBudget()


def test_what_was_learned_is_kept_and_resumed(tmp_path: Path) -> None:
    calls: list[str] = []

    def learn(rung: str, data: TextData, budget: LanguageBudget) -> dict[str, Any]:
        calls.append(rung)
        return {"rung": rung, "loss": 1.0, "perplexity": 2.7, "bits_per_byte": 1.0, "entropies": [[0.5]]}

    def again(rung: str, budget: LanguageBudget = BUDGET, reuse: bool = True) -> dict[str, Any]:
        return learned(method, rung, text(), budget, Cache(tmp_path, reuse))

    method: Any = SimpleNamespace(info=SimpleNamespace(name="made_up", version="1"), learn_language=learn)
    row = again("SM")
    assert row == again("SM")
    assert row["corpus"] == "cats" and row["steps"] == BUDGET.steps
    assert calls == ["SM"]
    for other in (LanguageBudget(seed=1), LanguageBudget(steps=3)):
        again("SM", other)
    again("SM+R")
    again("SM", reuse=False)
    assert calls == ["SM", "SM", "SM", "SM+R", "SM"]


def test_outcomes_are_told_apart() -> None:
    assert outcome(LEARNED) == "perplexity 20.0, 1.500 bits a byte"
    assert outcome(DIVERGED | {"diverged_at": 7}) == "diverged at step 7"


def test_figures_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    learning = study("language", [LEARNED, DIVERGED | {"rung": "SM", "diverged_at": 7}])
    costs = study("decoder_costs", [whole(row, "aero") for row in REPORTED[:3]])
    paths = figures.draw([learning, costs], tmp_path)
    assert [path.name for path in paths] == ["decoder_costs.png", "head_entropy.png"]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in paths)
