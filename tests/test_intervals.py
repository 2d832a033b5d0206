"""Losses with intervals: what the data carry is told apart, what they do not carry is a tie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pibench.results.choice import choice
from pibench.results.claims import FAILS, HOLDS, UNDECIDED, claims_table
from pibench.results.evidence import Evidence, join
from pibench.results.field import field
from pibench.results.frontier import drawn_losses, told_apart
from pibench.results.headline import headline
from pibench.results.outputs import Outputs
from pibench.results.records import Record, validate
from pibench.results.render import render
from pibench.results.summary import summary
from pibench.testing.made_up import accuracy_record, cost_record, dense_baseline
from tests.test_claims import claim
from tests.test_tables import rows

EXAMPLES = 1000
SCORES = {"dense/exact": 0.80, "dense/trained on": 0.81, "near/a": 0.798, "far/a": 0.74}


def answered(rng: np.random.Generator, labels: np.ndarray, luck: np.ndarray, right: float) -> np.ndarray:
    """Return logits of a model that is right where ``luck`` is below ``right``, so that rows agree where they can."""
    given = np.where(luck < right, labels, 1 - labels)
    return (4.0 * np.eye(2)[given] + rng.normal(0, 0.1, (len(labels), 2))).astype(np.float32)


def study(seeds: Iterable[int] = (0, 1, 2), shuffled: bool = False, tasks: Iterable[str] = ("rte",)) -> list[Record]:
    """Return rows with outputs whose true accuracies are ``SCORES``; with shuffled labels no row knows anything."""
    rng = np.random.default_rng(4)
    found: list[Record] = []
    for task in tasks:
        labels = (rng.random(EXAMPLES) < 0.5).astype(int)
        shown = rng.permutation(labels) if shuffled else labels
        for seed in seeds:
            luck = rng.random(EXAMPLES)
            for row, right in SCORES.items():
                floats, fixed = (answered(rng, labels, luck, right) for _ in range(2))
                found.append(scored(task, row, seed, Outputs(shown, floats, fixed)))
    costs = {"dense": ([4_000_000] * 2, 20), "near": ([2_000_000] * 2, 10), "far": ([1_000_000] * 2, 5)}
    for name, (sent, rounds) in costs.items():
        baseline = None if name == "dense" else dense_baseline([4.0] * 8)
        found.append(cost_record(name, sent, [2.0] * 8, rounds=rounds, baseline=baseline))
    return found


def scored(task: str, row: str, seed: int, outputs: Outputs) -> Record:
    method, variant = row.split("/")
    assert outputs.fixed is not None
    scores = [100 * float((logits.argmax(1) == outputs.labels).mean()) for logits in (outputs.float, outputs.fixed)]
    more: dict[str, Any] = {"fixed": scores[1], "n": EXAMPLES, "outputs": outputs.packed(), "architecture": method}
    return accuracy_record(task, method, variant, scores[0], seed=seed, **more)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return join(study()).comparable


@pytest.fixture(scope="module")
def found(evidence: Evidence) -> pd.DataFrame:
    return summary(evidence, ["rte"])


def test_records_with_outputs_are_valid() -> None:
    assert [validate(record) for record in study(seeds=[0])] == [[]] * 7


def test_every_loss_has_an_interval_that_holds_it(found: pd.DataFrame) -> None:
    for name in ("loss", "loss_fixed", "counted_loss", "loss_control", "rounding"):
        assert (found[f"{name}_low"] <= found[name] + 1e-9).all() and (
            found[name] <= found[f"{name}_high"] + 1e-9
        ).all()
    widths = found["loss_high"] - found["loss_low"]
    assert widths["dense/exact"] == 0 < widths["near/a"] < widths["far/a"] < 10


def test_what_the_data_carry_is_told_apart_and_the_rest_is_a_tie(found: pd.DataFrame) -> None:
    assert "far/a" in found["apart"]["dense/exact"]
    assert "near/a" not in found["apart"]["dense/exact"]
    assert found["frontier"]["far/a"] == "yes"
    # It loses 0.2 points more by its mean, which 1000 examples do not carry, for half of the bytes.
    assert found["loss"]["near/a"] > 0
    assert found["frontier"]["dense/exact"] == "no: near/a (a tie in loss)"


def test_shuffled_labels_tell_nothing_apart() -> None:
    shuffled = join(study(shuffled=True)).comparable
    assert shuffled.informative == []
    assert _apart(shuffled) == [0] * len(SCORES)
    assert max(_apart(join(study()).comparable)) == 3


def _apart(evidence: Evidence) -> list[int]:
    """Return how many other rows each row is told apart from."""
    drawn = drawn_losses(evidence, ["rte"]).counted
    return told_apart(drawn.mean(), drawn).sum(1).tolist()


def test_one_seed_has_an_interval_over_examples() -> None:
    one = summary(join(study(seeds=[0])).comparable, ["rte"])
    assert one["loss_low"]["far/a"] < one["loss"]["far/a"] < one["loss_high"]["far/a"]


def test_an_average_over_tasks_has_a_narrower_interval() -> None:
    both = join(study(tasks=["rte", "qnli"])).comparable
    widths = [
        frame["loss_high"]["far/a"] - frame["loss_low"]["far/a"]
        for frame in (summary(both, tasks) for tasks in (["rte"], ["qnli"], ["rte", "qnli"]))
    ]
    assert widths[2] < min(widths[:2])


def test_a_row_without_outputs_on_one_task_has_no_interval() -> None:
    made_up = study()
    made_up[2]["outputs"] = None  # near/a at seed 0
    frame = summary(join(made_up).comparable, ["rte"])
    assert np.isnan(frame["loss_low"]["near/a"]) and not np.isnan(frame["loss_low"]["far/a"])


def test_tables_show_intervals_and_csv_has_their_ends(evidence: Evidence) -> None:
    far = {row["method"]: row for row in rows(headline(evidence))}["far"]
    shown = f"{float(far['loss']):.1f} ({float(far['loss_low']):.1f} to {float(far['loss_high']):.1f})"
    assert shown in render(headline(evidence), "md")
    assert shown in render(field(evidence), "md")
    assert shown in render(field(evidence), "tex")


def test_a_row_is_chosen_only_if_its_whole_interval_is_within_the_budget(found: pd.DataFrame) -> None:
    chosen = {row["budget"]: row["megabytes"] for row in rows(choice(join(study())))}
    assert found["loss"]["near/a"] < 0.5 < found["counted_loss_high"]["near/a"]
    assert chosen["0.5"].startswith("dense/")
    assert chosen["2.3"].startswith("near/a") and " to " in chosen["2.3"]


def test_a_claim_is_judged_by_the_whole_interval(evidence: Evidence, found: pd.DataFrame) -> None:
    loss = found["loss"]["far/a"]
    where = {"table": "glue", "row": {"method": "far", "variant": "a"}, "column": "loss"}
    limits = {found["loss_high"]["far/a"]: HOLDS, loss + 0.1: UNDECIDED, found["loss_low"]["far/a"] - 0.1: FAILS}
    asked = [claim(limit, "at most", **where) for limit in limits]
    assert list(claims_table(asked, [headline(evidence)]).frame["verdict"]) == list(limits.values())


def test_a_task_is_informative_by_a_test_against_the_majority_class() -> None:
    made_up = study()
    for record in made_up:
        if record["kind"] == "accuracy":
            record["majority"] = 50.0
    assert join(made_up).informative == ["rte"]
    # A model without knowledge is ahead of the majority class on some examples, but not more than by chance.
    labels = Outputs.unpacked(made_up[0]["outputs"], EXAMPLES).labels
    rng = np.random.default_rng(1)
    for right, expected in ((0.56, ["rte"]), (0.505, [])):
        weak = [answered(rng, labels, rng.random(EXAMPLES), right) for _ in range(3)]
        changed = [
            record | scored("rte", "dense/exact", record["seed"], Outputs(labels, weak[record["seed"]], weak[0]))
            if (record.get("method"), record.get("variant")) == ("dense", "exact")
            else record
            for record in made_up
        ]
        assert join(changed).informative == expected


def test_likeness_to_the_dense_model(found: pd.DataFrame) -> None:
    assert found["fidelity"]["dense/exact"] == 100 and found["divergence"]["dense/exact"] == 0
    assert found["fidelity"]["near/a"] > found["fidelity"]["far/a"] > 80
    assert found["divergence"]["near/a"] < found["divergence"]["far/a"]


def test_what_training_took_is_shown_beside_the_allowance() -> None:
    made_up = study(seeds=[0])
    for record in made_up:
        if record["kind"] == "accuracy":
            total = 90_000 if record["method"] == "far" else 32_000
            spent = {"returned": {"steps": 1000, "examples": 32_000}, "total": {"steps": 3000, "examples": total}}
            record["spent"] = spent
    far = {row["method"]: row for row in rows(field(join(made_up)))}["far"]
    assert (far["trained_on"], far["searched"]) == ("32", "90")


def test_two_points_that_are_one_model_and_one_outside_its_tolerance_are_told() -> None:
    made_up = study(seeds=[0])
    for record in made_up:
        if record["kind"] == "accuracy":
            record["weights_hash"] = "same" if record["method"] == "dense" else record["method"]
            record["notes"] = {"within": record["method"] != "far"}
    told = headline(join(made_up)).notes
    assert "dense/trained on on rte (seed 0) is the same model as dense/exact." in told
    assert "far/a on rte (seed 0): outside its tolerance; nothing that it tried was within it." in told
    assert sum("same model" in note or "tolerance" in note for note in told) == 2


def test_wnli_is_shown_and_in_no_average() -> None:
    both = join(study(tasks=["rte", "wnli"]))
    assert both.informative == ["rte"]
    assert {"rte", "wnli"} <= set(rows(headline(both))[0])
