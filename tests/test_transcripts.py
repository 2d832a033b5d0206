"""What a party sees of the other one's secrets: random words, unless it deals them itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import stats

from pibench.engines.lean import dealer
from pibench.engines.lean.protocol import CLIENT, SERVER, Beaver
from pibench.engines.lean.shares import Shared
from pibench.engines.lean.switches import LEAN
from pibench.testing.transcripts import (
    Transcripts,
    Views,
    correlated,
    encoder_runs,
    joint,
    read_back,
    smallest,
    told_apart,
    uniform,
)
from pibench.testing.two_parties import ADDEND, FACTOR, IDS, fix_private_randomness, meet, third_party, tiny
from tests.conftest import MakeModel


@pytest.fixture(autouse=True)
def _fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    fix_private_randomness(monkeypatch)


def test_the_server_learns_one_uniform_message_of_what_it_multiplies_and_the_client_nothing() -> None:
    x, weight = torch.full((400, 50), 3.0), torch.linspace(-1, 1, 100).reshape(2, 50)

    def program(ops: Beaver) -> None:
        w, b = ops.weight(FACTOR, weight), ops.weight(ADDEND, torch.zeros(2))
        text = ops.secret(x, CLIENT)
        ops.linear(text, w, b)
        ops.linear(text, w, b)

    server, client = meet(program).links
    (message,) = [part for parts in server.received for part in parts]
    assert len([part for parts in client.received for part in parts]) == 1  # the masked weights
    assert message.shape == x.shape
    counts = np.histogram(message.numpy().ravel().astype(np.float64), 64, (-(2.0**63), 2.0**63))[0]
    assert stats.chisquare(counts).pvalue > 1e-4


SECRETS = (0.0, -123456.789)
View = list[torch.Tensor]


def views(rank: int, kind: str, secret: float, runs: int = 16) -> list[View]:
    """Return what one party receives, or opens, in runs with fresh dealers: a tensor a message."""
    numbers = torch.full((256,), secret)

    def program(ops: Beaver) -> Shared:
        return ops.square(ops.relu(ops.secret(numbers, CLIENT)))

    links = [meet(program, seed=run).links[rank] for run in range(runs)]
    return [[part for parts in getattr(link, kind) for part in parts] for link in links]


def histogram(messages: View) -> np.ndarray:
    """Count the values of all half bytes."""
    data = torch.cat([message.contiguous().view(torch.uint8).reshape(-1) for message in messages])
    return np.bincount(torch.cat([data & 15, data >> 4]).numpy(), minlength=16)


def is_uniform(counts: np.ndarray) -> bool:
    return bool(stats.chisquare(counts).pvalue > 1e-4)


@pytest.mark.parametrize("kind", ["received", "opened"])
@pytest.mark.parametrize("rank", [SERVER, CLIENT])
def test_what_a_party_sees_is_uniform_whatever_the_secret_is(rank: int, kind: str) -> None:
    seen = [views(rank, kind, secret) for secret in SECRETS]
    assert [len(view) for view in seen[0]] == [7] * 16  # a mask off, four levels of bits, the sign, another mask off
    for position in range(7):
        counts = [histogram([view[position] for view in runs]) for runs in seen]
        assert all(map(is_uniform, counts)), position
        assert stats.chi2_contingency(np.stack(counts)).pvalue > 1e-4


@pytest.mark.parametrize("rank", [SERVER, CLIENT])
@pytest.mark.parametrize("position", [0, 6])
def test_the_top_byte_of_an_opened_number_tells_nothing(rank: int, position: int) -> None:
    counts = []
    for secret in SECRETS:
        words = torch.cat([view[position] for view in views(rank, "opened", secret)])
        counts.append(np.bincount((words >> 56).numpy() + 128, minlength=256))
    assert all(map(is_uniform, counts))
    assert stats.chi2_contingency(np.stack(counts)).pvalue > 1e-4


def test_these_statistics_notice_a_value_without_its_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    (view,) = views(CLIENT, "opened", SECRETS[1], runs=1)
    assert is_uniform(histogram(view[:1]))
    monkeypatch.setattr(dealer, "_random", lambda generator, shape, kind, live: torch.zeros(shape, dtype=kind))
    (view,) = views(CLIENT, "opened", SECRETS[1], runs=1)
    assert not is_uniform(histogram(view[:1]))


RUNS = 24
SCALES = np.random.default_rng(0).uniform(-3, 3, RUNS)
ALPHA = 1e-3
"""Beside Bonferroni's rule: the seeds are fixed, so that a test passes or fails for good."""


@dataclass(frozen=True)
class Observed:
    """Whole runs of a model on one text, on another, and on texts that grow with a number."""

    one: Views
    other: Views
    grown: Views

    def of(self, who: str) -> tuple[Transcripts, Transcripts, Transcripts]:
        """Return what ``who`` receives in each: the server, the client, or the server from the dealer."""
        read = {
            "server": lambda views: views.received[SERVER],
            "client": lambda views: views.received[CLIENT],
            "dealt": lambda views: views.dealt,
        }[who]
        return read(self.one), read(self.other), read(self.grown)


def observed(make_model: MakeModel) -> Observed:
    model = make_model(layers=1)
    texts = (([0.0] * RUNS, 0), ([3.0] * RUNS, 1_000), (SCALES, 2_000))
    return Observed(*(encoder_runs(model, scales, seed) for scales, seed in texts))


@pytest.fixture(scope="module")
def whole(make_model: MakeModel) -> Observed:
    return observed(make_model)


SEERS = pytest.mark.parametrize("who", ["server", "client", "dealt"])


@SEERS
def test_all_that_a_party_receives_in_a_whole_run_is_uniform_and_no_text_is_told_from_another(
    whole: Observed, who: str
) -> None:
    one, other, grown = whole.of(who)
    assert len(one[0]) > 80
    assert min(smallest(uniform(runs, short=who == "dealt")) for runs in (one, other, grown)) > ALPHA
    assert smallest(told_apart(one, other)) > ALPHA
    assert smallest(correlated(grown, SCALES)) > ALPHA


def test_what_is_received_is_uniform_beside_what_is_sent(whole: Observed) -> None:
    assert len(whole.one.own[0]) > 60
    assert smallest(joint(whole.one.own, whole.one.others)) > ALPHA


@SEERS
def test_these_statistics_of_whole_runs_notice_absent_masks(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    monkeypatch.setattr(dealer, "_random", lambda words, shape, kind, live: torch.zeros(shape, dtype=kind))
    bare = observed(make_model)
    one, other, grown = bare.of(who)
    assert smallest(uniform(other, short=who == "dealt")) < ALPHA
    assert smallest(joint(bare.other.own, bare.other.others)) < ALPHA
    if who != "dealt":  # of absent masks the dealer sends products, and these tell nothing
        assert smallest(told_apart(one, other)) < ALPHA
        assert smallest(correlated(grown, SCALES)) < ALPHA


def test_a_first_party_dealer_lets_the_server_read_the_text_and_a_third_party_does_not() -> None:
    text = torch.randn(4, 8)

    def program(ops: Beaver) -> Shared:
        secret = ops.secret(text, CLIENT)
        ops.linear(secret, ops.weight(FACTOR, torch.ones(2, 8)), ops.weight(ADDEND, torch.zeros(2)))
        return secret

    server, client = meet(program).results
    assert torch.equal(read_back(server), (text.double() * 2**13).round() / 2**13)
    assert read_back(client) is None
    dealers, _ = third_party(program)
    assert [read_back(secret) for secret in meet(program, dealers=dealers).results] == [None, None]


def test_no_two_values_of_a_session_are_opened_under_one_mask(make_model: MakeModel) -> None:
    program, _ = tiny()
    opened = meet(lambda ops: (program(ops), program(ops))).links[CLIENT].opened
    public = [parts[0] for parts in opened if torch.equal(parts[0], (IDS > 0).long())]
    logits = [opened[len(opened) // 2 - 1][0], opened[-1][0]]
    masked = [part for parts in opened for part in parts if part.dtype == torch.int64]
    masked = [part.reshape(-1) for part in masked if not any(part is known for known in (*public, *logits))]
    pairs = [(a, b) for a, b in combinations(masked, 2) if a.shape == b.shape]
    assert len(public) == 2
    assert len(pairs) > 1000
    assert not any(((a - b).abs() < 2**40).any() for a, b in pairs)
    assert int((logits[0] - logits[1]).abs().max()) < 2**LEAN.fraction_bits
