"""SPU: the traced forward pass, three protocols between real processes, and the traps of its runtime."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from pibench.engines.engine import Session
from pibench.engines.spu.counters import counters
from pibench.engines.spu.parties import SpuParties
from pibench.engines.spu.protocols import LIMIT, PROTOCOLS
from pibench.errors import InputError
from pibench.measure.accuracy import first_examples, score_under_mpc
from pibench.model.architecture import Architecture, Layer
from pibench.model.floats import TorchInterpreter
from pibench.model.forward import forward
from pibench.model.module import Embeddings, Model
from pibench.model.operators.activation import ACTIVATION
from pibench.model.operators.norm import NORM
from pibench.model.operators.softmax import SOFTMAX
from pibench.net.processes import PartyFailed
from pibench.tasks.encode import EncodedTask
from pibench.training.finetune import predict
from tests.conftest import MakeData, MakeModel

try:
    from pibench.engines.spu.interpreter import SpuInterpreter
    from pibench.engines.spu.program import program
    from pibench.engines.spu.traced import Traced
except ImportError:
    SpuInterpreter = None  # type: ignore[assignment,misc]
need_spu = pytest.mark.skipif(SpuInterpreter is None, reason="SPU has an environment of its own: nox -s spu -- tests")

HEAD = "2026-11-25 16:20:06.966 [info] [api.cc:printProfilingData:223]"
LOG = f"""
{HEAD} HLO profiling: total time 0.3
{HEAD} - pphlo.dot, executed 2 times, duration 0.1s, send bytes 300 recv bytes 200, send actions 4, recv actions 4
{HEAD} - pphlo.tanh, executed 1 times, duration 4.5e-05s, send bytes 70 recv bytes 80, send actions 3, recv actions 3
{HEAD} MPC profiling: total time 0.2
{HEAD} - mmul_aa, executed 2 times, duration 0.1s, send bytes 370 recv bytes 280, send actions 7, recv actions 7
{HEAD} Link details: total send bytes 370, recv bytes 280, send actions 7, recv actions 7
"""


def test_counters_are_read_from_the_log() -> None:
    found = counters(LOG)
    assert (found.sent, found.received, found.actions) == (370, 280, 7)
    assert found.operations == {"pphlo.dot": 300, "pphlo.tanh": 70}


@pytest.mark.parametrize("log", ["", LOG + LOG])
def test_a_log_of_another_number_of_runs_is_refused(log: str) -> None:
    with pytest.raises(ValueError, match="instead of one"):
        counters(log)


def test_absent_spu_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spu", None)
    with pytest.raises(InputError, match=r"^SPU is not installed here: run `nox -s spu -- run`[^\n]*$"):
        SpuParties(PROTOCOLS["semi2k"], Session())


def served(model: Model, batch: int = 2, length: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return made-up embedded text and a mask whose last sentence is half as long."""
    hidden = model.architecture.hidden_size
    embedded = np.random.default_rng(seed).normal(size=(batch, length, hidden)).astype(np.float32)
    keep = np.ones((batch, length), dtype=np.int64)
    keep[-1, length // 2 :] = 0
    return embedded, keep


def floats(model: Model, embedded: np.ndarray, keep: np.ndarray) -> np.ndarray:
    inputs = torch.from_numpy(embedded), torch.from_numpy(keep).float()
    with torch.no_grad():
        return forward(TorchInterpreter(), model.architecture, model.weights(), *inputs).logits.numpy()


BIASED = {"layers": 1, "position_buckets": 32}
KINDS = [("softmax", name) for name in SOFTMAX] + [("activation", name) for name in ACTIVATION]
KINDS += [("norm", name) for name in NORM if name != "none"] + [("position_buckets", 32)]


@need_spu
@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_what_is_traced_is_the_forward_pass(make_model: MakeModel, kind: str, name: str | int) -> None:
    """In JAX's floats, without a protocol, for every operator and a position bias."""
    model = make_model(**{kind: name})
    with torch.no_grad():
        for weights in model.layer_weights:
            for coefficients in ("softmax_coefficients", "activation_coefficients"):
                if coefficients in weights:
                    weights[coefficients].fill_(0.7)
    embedded, keep = served(model)
    secret = model.weights().map(
        lambda parameter, value: value.detach() if parameter.public else Traced(value.detach().numpy())
    )
    traced = forward(SpuInterpreter(), model.architecture, secret, Traced(embedded), torch.from_numpy(keep).float())
    np.testing.assert_allclose(traced.logits.array, floats(model, embedded, keep), atol=2e-3)


@need_spu
def test_a_product_that_would_wrap_is_refused_before_anything_runs(make_model: MakeModel) -> None:
    model = make_model(norm="none")
    with torch.no_grad():
        model.layer_weights[0]["ffn_out_weight"].fill_(LIMIT)
    with pytest.raises(InputError, match=r"layer0.ffn_out reaches .* wrap at"):
        program(model, *served(model))


@pytest.fixture(scope="module")
def semi2k() -> Iterator[SpuParties]:
    with SpuParties(PROTOCOLS["semi2k"], Session(deadline=120)) as running:
        yield running


@need_spu
@pytest.mark.parametrize("changes", [{}, {"softmax": "two_quad", "activation": "quad"}, {"activation": "puma"}, BIASED])
def test_semi2k_reveals_the_floats_logits(semi2k: SpuParties, make_model: MakeModel, changes: dict[str, Any]) -> None:
    model = make_model(**changes)
    embedded, keep = served(model)
    run = semi2k.run(program(model, embedded, keep))
    np.testing.assert_allclose(run.output, floats(model, embedded, keep), atol=0.02)


@need_spu
def test_examples_keep_their_order_on_the_way_to_their_logits(
    semi2k: SpuParties, make_model: MakeModel, make_data: MakeData
) -> None:
    """They are run in batches of similar length; the model's labels differ, so that a mix-up shows."""
    model, data = make_model(outputs=3), make_data(outputs=3)
    task = EncodedTask(data, data.selection)
    expected = predict(model, data.selection.first(7), data.pad_id)
    subset, logits = first_examples(task.validation, 7), predict(model, task.validation, data.pad_id)
    found = score_under_mpc(semi2k, model, task, subset, logits[subset], batch=3)
    assert np.ptp(expected, axis=0).max() > 0.2
    assert found["max_logit_difference"] < 0.02
    assert (found["n"], found["labels_agree"]) == (7, 7)
    assert found["mpc"] == found["float_on_subset"]


@need_spu
def test_semi2k_s_counts_add_up_on_both_sides_and_stay(semi2k: SpuParties, make_model: MakeModel) -> None:
    model = make_model()
    compiled = program(model, *served(model))
    first, second = semi2k.run(compiled), semi2k.run(compiled)
    assert first.bytes_sent == second.bytes_sent
    for one, other in (first.parties, first.parties[::-1]):
        assert one.sent == other.received == sum(one.operations.values()) > 0
    assert first.parties[0].actions == first.parties[1].actions == second.parties[0].actions


@need_spu
def test_aby3_runs_with_three_parties(make_model: MakeModel) -> None:
    model = make_model(layers=1)
    embedded, keep = served(model)
    with SpuParties(PROTOCOLS["aby3"], Session(deadline=120)) as running:
        run = running.run(program(model, embedded, keep))
    assert len(run.bytes_sent) == 3
    np.testing.assert_allclose(run.output, floats(model, embedded, keep), atol=0.02)


@need_spu
def test_a_dead_peer_is_named_before_the_deadline(make_model: MakeModel) -> None:
    model = make_model(layers=1)
    compiled = program(model, *served(model))
    with SpuParties(PROTOCOLS["semi2k"], Session(deadline=60)) as running:
        os.kill(running.processes[1].pid, signal.SIGKILL)
        with pytest.raises(PartyFailed, match="party 1 was killed by signal 9"):
            running.run(compiled)


@need_spu
def test_the_dense_layer_has_no_careless_lowering(semi2k: SpuParties) -> None:
    """Division after the sum, or GELU by erf, would send 490 or 904 MB (hidden 384, 12 heads, 128 tokens)."""
    torch.manual_seed(0)
    architecture = Architecture(384, (Layer(12, 32, 1536),), 2)
    model = Model(architecture, Embeddings(1, 1, 1, 384, 1e-12))
    embedded, keep = served(model, batch=1, length=128)
    run = semi2k.run(program(model, embedded, keep, head=False))
    assert sum(run.bytes_sent) <= 293e6
