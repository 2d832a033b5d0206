"""A fine-tuned BERT becomes Softmax-only, stage by stage: outside the paper, which trains decoders from scratch.

A layer's two LayerNorms become the affine maps nearest to them, and its FFN the matrix nearest to it (or its GELU a
ReLU). After every two layers the whole model is recovered briefly. At the end the affine maps are merged into
the matrices around them, which leaves AERO's network: X + MHA(X), then beta X + FFN(X).
"""

from __future__ import annotations

from dataclasses import asdict, replace

from baselines.aero.entropy import EntropyRegulariser
from baselines.aero.rungs import Rung, without_deepest
from pibench.methods.surgery.activation import with_activation
from pibench.methods.surgery.fuse import absorb_affine
from pibench.methods.surgery.layers import observe
from pibench.methods.surgery.norm import with_affine_norms
from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget
from pibench.training.distill import recover
from pibench.training.stages import cached_model
from pibench.training.tune import selection_score

STAGE_LAYERS = 2
STAGE_SHARE, STAGES_SHARE = 1 / 8, 3 / 4
"""The most that one stage, and that all stages together, may spend of the budget; the rest is spent at the end."""
STRENGTH = 0.1
"""The entropy penalty's weight. Ours: the paper's 1e-5 goes with a cross-entropy, this with a distillation loss."""


def convert(dense: Model, data: TaskData, budget: Budget, rung: Rung, version: str) -> Model:
    """Return ``dense`` in the rung's configuration, recovered within ``budget``; unfinished work is cached.

    Only decoders have temperatures, and an FFN without a nonlinearity is always one matrix.
    """
    plain = replace(rung, name="", entropy=None, deepest=0)
    key = [version, data.fingerprint, dense.fingerprint(), asdict(plain), asdict(budget), data.seq_len]
    layers = range(len(dense.architecture.layers))
    stages = [layers[first : first + STAGE_LAYERS] for first in layers[::STAGE_LAYERS]]
    examples = int(budget.allowance(len(data.train)) * min(STAGE_SHARE, STAGES_SHARE / len(stages)))
    model, scores = dense, []
    for stage in stages:

        def make(model: Model = model, stage: range = stage) -> Model:
            for index in stage:
                model = _changed(model, index, rung, data, budget.seed)
            return recover(model, dense, data, budget, examples=examples)

        model = cached_model(data.cache, f"aero-layer-{stage[0]}", key, dense, make)
        scores.append(selection_score(model, data))
    regulariser = EntropyRegulariser(model.architecture, STRENGTH, form=rung.entropy) if rung.entropy else None
    model = model.rebuilt(without_deepest(model.architecture, rung.deepest))
    model = recover(model, dense, data, budget, regulariser)
    if rung.norm == "none":
        model = absorb_affine(model)
    model.notes = {
        "dense_score": selection_score(dense, data),
        "stage_scores": scores,
        "selection_score": selection_score(model, data),
    }
    return model


def _changed(model: Model, index: int, rung: Rung, data: TaskData, seed: int) -> Model:
    if rung.norm == "none":
        model = with_affine_norms(model, index, observe(model, data.train, data.pad_id, seed))
    if rung.activation != "gelu":
        seen = observe(model, data.train, data.pad_id, seed)
        model = with_activation(model, index, rung.activation, seen)
    return model
