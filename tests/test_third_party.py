"""A dealer who is neither party."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch

from pibench.engines.crypten.engine import Crypten
from pibench.engines.engine import Session
from pibench.engines.lean.dealer import secure_words
from pibench.engines.lean.ledger import predict
from pibench.engines.lean.parties import LeanParties
from pibench.engines.lean.switches import LEAN, Switches
from pibench.errors import InputError
from pibench.measure.cost import checked
from pibench.model.floats import TorchInterpreter
from pibench.model.forward import forward
from pibench.net.processes import PartyFailed, PartyTimeout
from pibench.testing.two_parties import fix_private_randomness, meet, prefetched, third_party, tiny
from tests.conftest import MakeModel

mpc = pytest.mark.mpc
EMBEDDED = np.random.default_rng(0).normal(size=(2, 7, 16)).astype(np.float32)
KEEP = np.array([[1] * 7, [1] * 4 + [0] * 3])


@pytest.mark.parametrize("switches", [LEAN, LEAN.without("known_weights"), LEAN.without("packed_comparison")])
def test_both_parties_get_the_logits_that_floats_give(make_model: MakeModel, switches: Switches) -> None:
    program, goal = tiny()
    dealers, _ = third_party(program, switches)
    server, client = meet(program, switches, dealers=dealers).results
    assert torch.equal(server, client)
    assert torch.allclose(server, goal, atol=0.02)


def test_it_changes_nothing_between_the_parties(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    program, _ = tiny()
    fix_private_randomness(monkeypatch)
    first, third = meet(program), meet(program, dealers=third_party(program)[0])
    for own, goal in zip(third.links, first.links, strict=True):
        assert (own.rounds, own.bytes) == (goal.rounds, goal.bytes)


def test_what_it_deals_can_be_fetched_ahead(make_model: MakeModel) -> None:
    program, _ = tiny()
    inline = meet(program, dealers=third_party(program)[0]).results[0]
    ahead = meet(program, dealers=prefetched(program, dealers=third_party(program)[0])).results[0]
    assert torch.equal(inline, ahead)


def test_its_words_are_fresh_and_follow_from_the_key_alone() -> None:
    one, same, other = secure_words(b"key"), secure_words(b"key"), secure_words(b"yek")
    first = one(8)
    assert np.array_equal(first, same(8)) and not np.array_equal(first, other(8))
    assert not set(first) & set(one(8))


@pytest.fixture
def running() -> LeanParties:
    return LeanParties(Session(deadline=60, dealer="third-party"))


@mpc
@pytest.mark.parametrize("prefetch", [True, False])
def test_three_processes_compute_what_floats_do_for_the_ledger_s_bytes(
    running: LeanParties, make_model: MakeModel, prefetch: bool
) -> None:
    model = make_model(activation="quad")
    switches = LEAN if prefetch else LEAN.without("prefetch")
    inputs = torch.from_numpy(EMBEDDED), torch.from_numpy(KEEP)
    with torch.no_grad():
        goal = forward(TorchInterpreter(), model.architecture, model.weights(), *inputs).logits.numpy()
    with running:
        running.load("model", model, switches)
        for _ in range(2):  # the second one under the session's masks of weights
            seen = checked(
                running.infer("model", EMBEDDED, KEEP), predict(model.architecture, *KEEP.shape).prediction()
            )
            assert np.allclose(seen.logits, goal, atol=0.02)
        running.load("second", make_model(seed=1))
        running.load("third", make_model(seed=2))  # drops the first
        assert np.isfinite(running.infer("third", EMBEDDED, KEEP).logits).all()
    assert len(running.processes) == 3
    assert not any(process.is_alive() for process in running.processes)


@mpc
def test_a_killed_dealer_is_named(running: LeanParties, make_model: MakeModel) -> None:
    with running:
        running.load("model", make_model(layers=8))
        threading.Timer(0.5, os.kill, (running.processes[2].pid, signal.SIGKILL)).start()
        with pytest.raises(PartyFailed, match=r"^the dealer was killed by signal 9$"):
            for _ in range(1000):
                running.infer("model", EMBEDDED, KEEP)
    assert not any(process.is_alive() for process in running.processes)


@mpc
def test_a_stopped_dealer_misses_the_deadline(running: LeanParties, make_model: MakeModel) -> None:
    with running:
        running.load("model", make_model())
        os.kill(running.processes[2].pid, signal.SIGSTOP)
        running.running.deadline = 1.0
        start = time.monotonic()
        with pytest.raises(PartyTimeout, match="the dealer gave no answer within 1 s"):
            running.infer("model", EMBEDDED, KEEP)
        assert time.monotonic() < start + 10
    assert not any(process.is_alive() for process in running.processes)


def test_crypten_has_its_own_dealer(need_crypten: None) -> None:
    with pytest.raises(InputError, match="leave --dealer third-party out"):
        Crypten().check(Session(dealer="third-party"))
