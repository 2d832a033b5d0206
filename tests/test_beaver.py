from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from pibench.engines.lean.protocol import CLIENT, SERVER, Beaver
from pibench.engines.lean.shares import Shared
from pibench.engines.lean.switches import LEAN, NAMES, Switches
from pibench.testing.two_parties import (
    ADDEND,
    FACTOR,
    Program,
    both,
    decoded,
    fix_private_randomness,
    meet,
    tiny,
    value,
)
from tests.conftest import MakeModel

BITS = LEAN.fraction_bits
ULP = 2.0**-BITS
OFF = sorted(set(NAMES) - {"prefetch"})
OPENED = 16
"""Bytes of an opened element."""


@pytest.fixture(autouse=True)
def _fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    fix_private_randomness(monkeypatch)


def grid(*shape: int, spread: float = 4.0, seed: int = 0) -> torch.Tensor:
    """Return normal numbers that fixed point holds exactly."""
    numbers = np.random.default_rng(seed).normal(0, spread, shape)
    return torch.from_numpy(np.round(numbers / ULP) * ULP)


def ring(ops: Beaver, words: torch.Tensor) -> Shared:
    """Share ring elements, of which some are beyond floats."""
    share = ops.dealer.zero(words.shape)
    return Shared(share + words if ops.rank == 0 else share, BITS)


def off_by(own: torch.Tensor, goal: torch.Tensor) -> float:
    """Return the largest error, in units of the last place."""
    assert own.shape == goal.shape
    return float((own - goal).abs().max() / ULP)


def words_of(first: Shared, second: Shared) -> torch.Tensor:
    return first.share + second.share


# Products


def test_a_secret_is_its_owners_and_the_result_known_to_both() -> None:
    x = grid(3, 4)

    def program(ops: Beaver) -> torch.Tensor:
        own = [x if ops.rank == owner else torch.full_like(x, torch.nan) for owner in (SERVER, CLIENT)]
        return ops.reveal(ops.add(ops.secret(own[0], SERVER), ops.secret(own[1], CLIENT)))

    first, second = both(program)
    assert torch.equal(first, (2 * x).float())
    assert torch.equal(first, second)


@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((2, 1, 4), (3, 1)), ((5,), (2, 3, 5)), ((1,), (1,))])
def test_products_broadcast_and_are_right_to_the_last_place(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    x, y = grid(*shapes[0], seed=1), grid(*shapes[1], seed=2)
    assert off_by(value(lambda ops: ops.mul(ops.secret(x, SERVER), ops.secret(y, CLIENT))), x * y) < 1


def test_squares_are_right_to_the_last_place() -> None:
    x = grid(200)
    assert off_by(value(lambda ops: ops.square(ops.secret(x, CLIENT))), x * x) < 1


@pytest.mark.parametrize("shapes", [((3, 4), (4, 5)), ((2, 3, 3, 4), (2, 3, 4, 2)), ((2, 1, 3, 4), (5, 4, 2))])
def test_matrix_products_round_once(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    x, y = grid(*shapes[0], seed=1), grid(*shapes[1], seed=2)
    assert off_by(value(lambda ops: ops.matmul(ops.secret(x, SERVER), ops.secret(y, CLIENT))), x @ y) < 1


@pytest.mark.parametrize("switches", [LEAN, LEAN.without("fused_qkv")])
@pytest.mark.parametrize("parts", [1, 3])
def test_linear_layers_round_once_in_one_part_or_three(switches: Switches, parts: int) -> None:
    x, weight, bias = grid(2, 3, 4, seed=1), grid(6, 4, seed=2), grid(6, seed=3)

    def program(ops: Beaver) -> Shared:
        return ops.linear(ops.secret(x, CLIENT), ops.secret(weight, SERVER), ops.secret(bias, SERVER), parts)

    assert off_by(value(program, switches), functional.linear(x, weight, bias)) < 1


@pytest.mark.parametrize("off", [None, "weight_masks", "known_weights"])
def test_weights_of_the_server_multiply_as_exactly_however_they_are_held(off: str | None) -> None:
    x, weight, bias, scale = grid(2, 3, 4, seed=1), grid(6, 4, seed=2), grid(6, seed=3), grid(4, seed=4)

    def program(ops: Beaver) -> list[Shared]:
        own = [value if ops.rank == SERVER else torch.zeros_like(value) for value in (weight, bias, scale)]
        w, b, s = (ops.weight(kind, v) for kind, v in zip((FACTOR, ADDEND, FACTOR), own, strict=True))
        text = ops.secret(x, CLIENT)
        return [ops.linear(text, w, b), ops.mul(text, s)]

    goals = [functional.linear(x, weight, bias), x * scale]
    for first, second, goal in zip(*both(program, LEAN.without(off) if off else LEAN), goals, strict=True):
        assert off_by(decoded(first, second), goal) < 1


def test_two_local_products_make_what_three_make_and_that_is_exact() -> None:
    x, y = grid(4, 6, seed=1), grid(6, 5, seed=2)

    def program(ops: Beaver) -> None:
        a, b = ops.secret(x, SERVER), ops.secret(y, CLIENT)
        ops.matmul(a, b)
        ops.mul(a, b.transpose(0, 1)[:4])

    goals = [x @ y, x * y.T[:4]]
    for switches in (LEAN, LEAN.without("two_products")):
        for first, second, goal in zip(*meet(program, switches).divided, goals, strict=True):
            assert torch.equal((first + second).double() * ULP**2, goal)


@pytest.mark.parametrize("sign", [1, -1])
def test_truncation_is_unbiased_and_within_one_unit(sign: int) -> None:
    quarter, five = torch.full((40_000,), 0.25), torch.full((40_000,), sign * 5 * ULP)
    seen = value(lambda ops: ops.mul(ops.secret(quarter, SERVER), ops.secret(five, CLIENT))) / ULP
    assert set(seen.unique().tolist()) == {sign * 1.0, sign * 2.0}
    assert abs(float(seen.mean()) - sign * 1.25) < 5 * (0.25 * 0.75 / 40_000) ** 0.5


@pytest.mark.parametrize(
    "constant", [0.3, -0.3, 2.0**-7, 1e-6, 1234.5, torch.tensor([[0.3], [-7.25]]), torch.tensor(0.125)]
)
def test_public_factors_keep_as_many_digits_as_a_number_has(constant: float | torch.Tensor) -> None:
    x = grid(2, 50, spread=20)
    own = value(lambda ops: ops.scale(ops.secret(x, SERVER), constant))
    goal = x * constant
    largest = float(torch.as_tensor(constant).abs().max())
    assert float((own - goal).abs().max()) < ULP + ULP / 2 * min(1, largest) * float(x.abs().max())


@pytest.mark.parametrize("constant", [0.0, 3.0, -2, 1e4, torch.zeros(50)])
def test_whole_public_factors_are_exact(constant: float | torch.Tensor) -> None:
    x = grid(2, 50)
    assert torch.equal(value(lambda ops: ops.scale(ops.secret(x, SERVER), constant)), x * constant)


def test_local_steps_are_exact_and_send_nothing() -> None:
    x, y, keep = grid(3, 4, seed=1), grid(3, 4, seed=2), torch.tensor([1, 0, 1, 0])

    def program(ops: Beaver) -> Shared:
        a, b = ops.secret(x, SERVER), ops.secret(y, CLIENT)
        sums = ops.mask(ops.sub(ops.add(a, b), ops.shift(b, torch.tensor(0.5))), keep)
        return ops.sum(ops.concat([ops.stack([sums, a]), ops.stack([b, b])], -1))

    meeting = meet(program)
    goal = torch.cat([torch.stack([(x - 0.5) * keep, x]), torch.stack([y, y])], -1).sum(-1, keepdim=True)
    assert torch.equal(decoded(*meeting.results), goal)
    assert meeting.links[0].rounds == 0


# Bits


EDGES = torch.tensor([0, 1, -1, 2, -2, 2**BITS, -(2**BITS), 2**61, -(2**61), 2**62 - 1, -(2**62)])


@pytest.mark.parametrize("switches", [LEAN, LEAN.without("packed_comparison"), LEAN.without("open_once")])
def test_negative_and_relu_are_exact_from_one_unit_to_the_rings_quarter(switches: Switches) -> None:
    bit = words_of(*both(lambda ops: ops.is_negative(ring(ops, EDGES)), switches))
    assert bit.tolist() == (EDGES < 0).long().tolist()
    assert torch.equal(words_of(*both(lambda ops: ops.relu(ring(ops, EDGES)), switches)), EDGES.clamp(min=0))


@pytest.mark.parametrize("switches", [LEAN, LEAN.without("open_once"), LEAN.without("squares")])
def test_a_bit_times_anything_is_exact(switches: Switches) -> None:
    x, y = grid(3, 5, seed=1), grid(2, 1, 5, seed=2)

    def program(ops: Beaver) -> list[Shared]:
        bit, value_, other = ops.is_negative(ops.secret(x, SERVER)), ops.secret(y, CLIENT), ops.secret(-x, SERVER)
        inverse = ops.is_negative(other)
        return [
            ops.mul(value_, bit),
            ops.mul(bit, value_),
            ops.mul(bit.transpose(0, 1), inverse.transpose(0, 1)),
            ops.mul(bit, bit),
            ops.square(bit),
            ops.matmul(bit, inverse.transpose(0, 1)),
            ops.scale(bit, 0.3),
        ]

    bit, inverse = (x < 0).double(), (x > 0).double()
    goals = [y * bit, y * bit, torch.zeros(5, 3), bit, bit, bit @ inverse.T, bit * round(0.3 / ULP) * ULP]
    for first, second, goal in zip(*both(program, switches), goals, strict=True):
        assert torch.equal(decoded(first, second), goal.double())


# Functions: errors of approximation and of 13 bits

POINTS = torch.linspace(-6, 6, 601, dtype=torch.float64)
DECAYS = torch.linspace(-20, 0, 601, dtype=torch.float64)
VARIANCES = torch.logspace(-1, 2, 301, dtype=torch.float64)
DIVISORS = torch.linspace(1, 128, 301, dtype=torch.float64)
ROWS, WEIGHT, BIAS = grid(4, 32, spread=2, seed=1) + 1, grid(32, spread=1, seed=2), grid(32, spread=1, seed=3)
SCORES = grid(2, 3, 24, spread=3, seed=4)
KEEP = torch.ones(2, 1, 24)
KEEP[1, :, 9:] = 0

FUNCTIONS: dict[str, tuple[Program[Shared], torch.Tensor, float]] = {
    "relu": (lambda ops: ops.relu(ops.secret(POINTS, CLIENT)), POINTS.relu(), 0.5 * ULP),
    "gelu": (lambda ops: ops.gelu(ops.secret(POINTS, CLIENT)), functional.gelu(POINTS), 2.8e-3),
    "tanh": (lambda ops: ops.tanh(ops.secret(POINTS, CLIENT)), POINTS.tanh(), 0.02),
    "exp": (lambda ops: ops.exp(ops.secret(DECAYS, CLIENT)), DECAYS.exp(), 0.025),
    "inverse_sqrt": (lambda ops: ops.inverse_sqrt(ops.secret(VARIANCES, CLIENT)), VARIANCES**-0.5, 2e-3),
    "divide": (
        lambda ops: ops.divide(ops.secret(torch.ones(301), CLIENT), ops.secret(DIVISORS, CLIENT), (1.0, 128.0)),
        1 / DIVISORS,
        1.5e-3,
    ),
    "softmax": (
        lambda ops: ops.normalise(*ops.softmax(ops.secret(SCORES, CLIENT), KEEP)),
        SCORES.masked_fill(KEEP == 0, -torch.inf).softmax(-1),
        7e-3,
    ),
    "layer_norm": (
        lambda ops: ops.layer_norm(
            ops.secret(ROWS, CLIENT), ops.secret(WEIGHT, SERVER), ops.secret(BIAS, SERVER), 1e-12
        ),
        functional.layer_norm(ROWS, (32,), WEIGHT, BIAS),
        2.5e-3,
    ),
}
COARSER = {"piecewise_gelu": {"gelu": 0.02}, "quadratic_exp": {"exp": 0.05}, "lookup_tables": {"inverse_sqrt": 4e-3}}
"""The errors without these approximations, whose rounding errors grow less."""


@pytest.mark.parametrize("off", [None, *OFF])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_as_exact_with_any_switch_off(name: str, off: str | None) -> None:
    program, goal, bound = FUNCTIONS[name]
    own = value(program, LEAN.without(off) if off else LEAN)
    assert float((own - goal).abs().max()) <= COARSER.get(off or "", {}).get(name, bound)


@pytest.mark.parametrize("off", [None, *OFF])
@pytest.mark.parametrize("operators", [{}, {"softmax": "two_quad", "activation": "quadratic"}])
def test_a_model_has_its_logits_with_any_switch_off(
    make_model: MakeModel, off: str | None, operators: dict[str, str]
) -> None:
    program, goal = tiny(**operators)
    first, second = both(program, LEAN.without(off) if off else LEAN)
    assert torch.equal(first, second)
    assert float((first - goal).abs().max()) < 0.02


# Openings


def test_a_shifted_or_reshaped_value_is_not_opened_again() -> None:
    x = grid(4, 6)

    def program(ops: Beaver) -> Shared:
        a = ops.secret(x, CLIENT)
        ops.open(a)
        moved = ops.shift(ops.shift(a, 1.5), torch.full((6,), -0.25)).reshape(2, 12)
        first, rest = ops.stack([moved, moved])[0], ops.concat([moved[:1], moved[1:]], 0)
        return ops.add(ops.square(first.transpose(0, 1)), ops.square(rest.transpose(0, 1)))

    meeting = meet(program)
    assert off_by(decoded(*meeting.results), 2 * ((x + 1.25) ** 2).reshape(2, 12).T) < 2
    assert (meeting.links[0].rounds, meeting.links[0].bytes) == (1, OPENED * 24)


def test_a_changed_value_is_opened_anew() -> None:
    x = grid(8)

    def program(ops: Beaver) -> Shared:
        a = ops.secret(x, CLIENT)
        ops.open(a)
        return ops.square(ops.sum(ops.mask(ops.scale(ops.add(a, a), 0.5), torch.ones(8)), -1))

    meeting = meet(program)
    assert off_by(decoded(*meeting.results), x.sum(-1, keepdim=True) ** 2) < 2 * 8 * float(x.sum().abs()) + 8
    assert [sum(part.numel() for part in parts) for parts in meeting.links[0].sent] == [8, 1]


@pytest.mark.parametrize(("switches", "sizes"), [(LEAN, [3 + 5, 4]), (LEAN.without("open_once"), [8, 8, 7, 3, 6])])
def test_a_value_in_several_products_is_opened_once(switches: Switches, sizes: list[int]) -> None:
    x, y, z = grid(3, 1, seed=1), grid(5, seed=2), grid(4, seed=3)

    def program(ops: Beaver) -> None:
        a, b, c = ops.secret(x, CLIENT), ops.secret(y, SERVER), ops.secret(z, SERVER)
        ops.mul(a, b)
        ops.mul(b, a)
        ops.mul(a, c)
        ops.square(a)
        ops.mul(a, a)

    sent = meet(program, switches).links[0].sent
    assert [sum(part.numel() for part in parts) for parts in sent] == sizes


def test_a_weight_under_a_kept_mask_is_sent_once_and_each_activation_anew() -> None:
    weight, bias, x = grid(6, 4, seed=1), grid(6, seed=2), grid(3, 4, seed=3)

    def program(ops: Beaver) -> list[Shared]:
        shared, shift = ops.secret(weight, SERVER), ops.secret(bias, SERVER)
        ops.keep_open(shared)
        return [ops.linear(ops.secret(x, CLIENT), shared, shift) for _ in range(3)]

    for switches in (LEAN, LEAN.without("open_once")):
        meeting = meet(program, switches)
        for first, second in zip(*meeting.results, strict=True):
            assert off_by(decoded(first, second), functional.linear(x, weight, bias)) < 1
        opened = [part for parts in meeting.links[0].opened for part in parts]
        assert [part.numel() for part in opened] == [24, 12, 12, 12]
        assert len(torch.cat([part.reshape(-1) for part in opened]).unique()) == 24 + 3 * 12
