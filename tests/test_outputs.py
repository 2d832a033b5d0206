from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr

from pibench.errors import InputError
from pibench.results.outputs import Outputs, divergence, fidelity
from pibench.tasks.task import Task

CLASSES, SCORES = Task("classes", ("text",), 3, ("accuracy",)), Task("scores", ("text",), 1, ("pearson",))
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("outputs", [1, 3])
def test_what_is_packed_comes_back_to_the_bit(outputs: int) -> None:
    logits = RNG.normal(size=(7, outputs)).astype(np.float32)
    labels = RNG.uniform(0, 5, size=7).astype(np.float32) if outputs == 1 else RNG.integers(3, size=7)
    back = Outputs.unpacked(Outputs(labels, logits, logits + 1).packed(), 7)
    assert back.labels.tolist() == labels.tolist()
    assert back.fixed is not None
    assert np.array_equal(back.float, logits) and np.array_equal(back.fixed, logits + 1)
    assert Outputs.unpacked(Outputs(labels, logits, None).packed(), 7).fixed is None


def test_damaged_outputs_are_one_sentence() -> None:
    packed = Outputs(np.zeros(4, int), np.zeros((4, 2), np.float32), None).packed()
    for text, examples in (("%", 4), (str(packed["float"])[:-8] + "AAAAAAA=", 4), (packed["float"], 3)):
        with pytest.raises(InputError, match="measure it again"):
            Outputs.unpacked(packed | {"float": text}, examples)


def test_fidelity_is_agreement_and_for_scores_correlation() -> None:
    dense = np.eye(3)[[0, 1, 2, 0]]
    assert fidelity(CLASSES, dense, dense) == 100.0
    assert fidelity(CLASSES, np.eye(3)[[0, 1, 1, 1]], dense) == 50.0
    own, theirs = RNG.normal(size=(2, 20, 1))
    assert fidelity(SCORES, own, theirs) == pytest.approx(100 * pearsonr(own[:, 0], theirs[:, 0]).statistic)
    assert fidelity(SCORES, np.zeros((20, 1)), theirs) == 0.0


def test_divergence_is_that_of_the_formula() -> None:
    own, dense = np.log([[0.5, 0.25, 0.25]]), np.log([[0.25, 0.25, 0.5]])
    assert divergence(CLASSES, own + 3, dense) == pytest.approx(0.25 * np.log(0.5) + 0.5 * np.log(2))
    assert divergence(CLASSES, dense, dense) == 0.0
    assert divergence(SCORES, np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]])) == 2.0
