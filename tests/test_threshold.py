from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ig3d.sensitivity import ACTIVATIONS, SOFTMAXES, Losses
from ig3d.threshold import cut, megabytes, planned, trajectory, unchanged_plan
from pibench.engines.lean.ledger import predict
from pibench.model.architecture import Architecture, Layer

DENSE = Architecture(16, (Layer(heads=4, head_size=4, ffn_size=32),) * 2, outputs=2)
SEQ_LEN = 8


def losses(seed: int, heads: bool = True, softmax: bool = True, gelu: bool = True) -> Losses:
    generator = torch.Generator().manual_seed(seed)

    def of(first: str, names: tuple[str, ...], on: bool) -> list[dict[str, float]]:
        return [
            {first: 0.0} | ({name: float(torch.rand(1, generator=generator)) for name in names} if on else {})
            for _ in range(2)
        ]

    return Losses(
        torch.rand(2, 4, generator=generator) if heads else torch.zeros(2, 4),
        of("exact", SOFTMAXES, softmax),
        of("gelu", ACTIVATIONS, gelu),
    )


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_tau_never_falls_and_every_move_saves_what_the_ledger_says(seed: int) -> None:
    steps = trajectory(DENSE, losses(seed), SEQ_LEN)
    taus = [step.tau for step in steps]
    sizes = [step.megabytes for step in steps]
    assert taus == sorted(taus)
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)
    assert steps[0].megabytes < megabytes(DENSE, SEQ_LEN)
    for step in steps:
        predicted = predict(planned(DENSE, step.plan), 1, SEQ_LEN).total().bytes / 1e6
        assert step.megabytes == pytest.approx(predicted, rel=1e-9)


def test_it_ends_where_nothing_is_left_to_save() -> None:
    last = trajectory(DENSE, losses(0), SEQ_LEN)[-1].plan
    assert [(len(layer.heads), layer.activation) for layer in last] == [(1, "identity")] * 2
    assert {layer.softmax for layer in last} == {"power2_length"}


def test_the_loss_of_a_plan_is_the_sum_of_its_parts() -> None:
    own = losses(3)
    for step in trajectory(DENSE, own, SEQ_LEN):
        expected = sum(
            own.softmax[index][layer.softmax]
            + own.activation[index][layer.activation]
            + sum(float(own.heads[index, head]) for head in range(4) if head not in layer.heads)
            for index, layer in enumerate(step.plan)
        )
        assert step.loss == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("dimension", "off"), [("heads", "heads"), ("softmax", "softmax"), ("gelu", "gelu")])
def test_a_dimension_that_was_not_measured_is_not_touched(dimension: str, off: str) -> None:
    steps = trajectory(DENSE, losses(1, **{off: False}), SEQ_LEN)
    assert {step.dimension for step in steps} == {"heads", "softmax", "gelu"} - {dimension}


def test_the_cheapest_move_comes_first_and_the_least_important_head_of_a_layer() -> None:
    own = losses(2, softmax=False, gelu=False)
    steps = trajectory(DENSE, own, SEQ_LEN)
    order = own.heads.flatten().argsort().tolist()
    assert f"{steps[0].layer}-{steps[0].to}" == f"{order[0] // 4}-without head {order[0] % 4}"


def test_cut_takes_the_first_step_that_is_cheap_enough() -> None:
    steps = trajectory(DENSE, losses(0), SEQ_LEN)
    assert cut(steps, steps[3].megabytes) is steps[3]
    assert cut(steps, 0.0) is steps[-1]
    assert planned(DENSE, unchanged_plan(DENSE)) == DENSE
