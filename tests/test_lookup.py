from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats

from pibench.engines.lean.dealer import first_party
from pibench.engines.lean.fixed_point import FixedPoint
from pibench.engines.lean.ledger import Ledger
from pibench.engines.lean.lookup import LookupTable, levels, tanh_tables
from pibench.engines.lean.protocol import CLIENT, Beaver
from pibench.engines.lean.shares import Shared
from pibench.engines.lean.switches import LEAN
from pibench.testing.two_parties import Program, decoded, meet, prefetched, value

ONE = 2.0**LEAN.fraction_bits
TABLE = LookupTable(0.25, torch.stack([torch.arange(64.0), -torch.arange(64.0) / 8]).double())
NUMBERS = torch.linspace(-3, 7, 501, dtype=torch.float64)


def read(numbers: torch.Tensor, *tables: LookupTable) -> Program[list[Shared]]:
    """Return the program that looks the client's numbers up; columns and what lies beyond, table by table."""

    def run(ops: Beaver) -> list[Shared]:
        reads = ops.lookup(ops.secret(numbers, CLIENT), tables)
        return [part for found in reads for part in (*found.columns, found.beyond)]

    return run


def test_the_levels_of_a_function() -> None:
    tables = levels(torch.reciprocal, 2.0**-6, 100.0, points=256, grain=2.0**-13)
    assert [(table.step, table.points) for table in tables] == [(2.0**-9, 256), (2.0**-5, 256), (0.5, 256)]
    for finer, coarser in pairwise(tables):
        own, finer_is_used = coarser.columns
        assert finer_is_used.tolist() == [1.0] * 8 + [0.0] * (coarser.points - 8)
        assert (own[:8] == 0).all()
        assert (finer.points - 2) * finer.step >= 9 * coarser.step  # index 8 may stand for a number of up to 9 steps
        torch.testing.assert_close(own[8:], 1 / (coarser.step * torch.arange(8, coarser.points)).double())


def test_no_table_has_more_points_than_it_needs_or_a_finer_step_than_numbers_have() -> None:
    tables = levels(torch.reciprocal, 2.0**-6, 100.0, points=256, grain=2.0**-8)
    assert [(table.step, table.points) for table in tables] == [(2.0**-8, 256), (2.0**-4, 256), (1.0, 128)]


def test_both_columns_are_read_at_the_same_neighbour_and_what_lies_beyond_it_is_exact() -> None:
    meeting = meet(read(NUMBERS, TABLE))
    first, second, beyond = (decoded(*shares) for shares in zip(*meeting.results, strict=True))
    point = first.where(first < 32, first - 64)
    assert torch.equal(second, -first / 8)
    on_grid = (NUMBERS * ONE).round() / ONE
    assert torch.equal(point * TABLE.step + beyond, on_grid)
    assert float(beyond.abs().max()) < TABLE.step
    assert set((on_grid / TABLE.step - point).sign().tolist()) == {-1.0, 0.0, 1.0}
    assert (beyond[on_grid % TABLE.step == 0] == 0).all()


def test_a_lookup_is_one_round_of_four_bytes_a_table_and_party_as_the_ledger_says() -> None:
    meeting = meet(read(NUMBERS, TABLE, *tanh_tables()))
    assert meeting.links[0].rounds == 1
    ledger = Ledger()
    read(NUMBERS.to("meta"), TABLE, *tanh_tables())(ledger)
    assert ledger.total().bytes == meeting.links[0].bytes == 2 * 4 * 3 * NUMBERS.numel()
    assert ledger.total().rounds == 1
    points = 2 * 64 + 2 * 1024 + 2 * 256
    assert ledger.offline.elements == NUMBERS.numel() * points


def test_a_prefetched_lookup_reads_the_same_table() -> None:
    program = read(NUMBERS, TABLE)
    ahead = meet(program, dealers=prefetched(program))
    point, _, beyond = (decoded(*shares) for shares in zip(*ahead.results, strict=True))
    assert float((point.where(point < 32, point - 64) * TABLE.step + beyond - NUMBERS).abs().max()) <= 0.5 / ONE


@pytest.mark.parametrize("number", [0.0, 5.3])
def test_what_a_lookup_opens_does_not_depend_on_the_number(number: float) -> None:
    meeting = meet(read(torch.full((20_000,), number), TABLE))
    ((opened,),) = meeting.links[0].opened
    for bits in (opened & 63, opened >> 26 & 63):
        assert stats.chisquare(np.bincount(bits.numpy(), minlength=64)).pvalue > 1e-4


def test_a_turned_table_is_shared_by_random_words() -> None:
    dealers = first_party(0, seed=1), first_party(1, seed=1)
    columns = torch.arange(8).reshape(1, 8)
    turns = [dealer.share(torch.Size([500]), kind=torch.int32) for dealer in dealers]
    rows = [dealer.rotated_table(turn, columns) for dealer, turn in zip(dealers, turns, strict=True)]
    plain = turns[0].plain
    assert plain is not None
    assert torch.equal(plain, turns[0].share + turns[1].share)
    assert torch.equal((rows[0] + rows[1])[0], (plain[:, None] + torch.arange(8)) & 7)
    for row in rows:
        for byte in row.contiguous().view(torch.uint8).reshape(-1, 8).T:
            assert stats.chisquare(np.bincount(byte, minlength=256)).pvalue > 1e-4


def test_the_emulation_reads_the_upper_neighbour_as_often_as_two_parties_do() -> None:
    numbers = torch.full((40_000,), 1.3, dtype=torch.float64)  # 5.2 steps
    real = value(lambda ops: ops.lookup(ops.secret(numbers, CLIENT), [TABLE])[0].columns[0])
    ops = FixedPoint(LEAN)
    found = ops.lookup(ops.encode(numbers), [TABLE])[0]
    for points in (real, found.columns[0]):
        assert set(points.tolist()) == {5.0, 6.0}
        assert float(points.mean()) == pytest.approx(5.2, abs=0.01)
    assert torch.equal(found.columns[0] * TABLE.step + found.beyond, ops.encode(numbers))
