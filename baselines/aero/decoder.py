"""The paper's own setting: decoders of every configuration, trained from scratch on text."""

from __future__ import annotations

import math
from typing import Any

import torch

from baselines.aero.entropy import PAPER_ROWS, PAPER_STRENGTH, AttentionEntropies, EntropyRegulariser, Form
from baselines.aero.paper import PERPLEXITY
from baselines.aero.rungs import Rung, parse_rung
from pibench.model.architecture import Architecture, Layer
from pibench.model.module import DecoderEmbeddings, Model
from pibench.tasks.text import TextData
from pibench.training.language import LanguageBudget, language_loss, learn

PLAIN = Layer(heads=4, head_size=64, ffn_size=1024)
LAYERS = 3
INITIAL_TEMPERATURE = 1e-2
"""The paper's value for CodeParrot: untrained weights give scores near zero without LayerNorm; this enlarges them."""


def decoder(rung: Rung, words: int, positions: int, seed: int) -> Model:
    """Return an untrained decoder of that configuration, initialised by ``seed``."""
    plain = Architecture(PLAIN.heads * PLAIN.head_size, (PLAIN,) * LAYERS, words, norm_eps=1e-5, family="decoder")
    architecture = rung.of(plain, positions)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Model(architecture, DecoderEmbeddings(words, positions, architecture.hidden_size))
    with torch.no_grad():
        for layer in model.layer_weights:
            if "temperature_coefficients" in layer:
                layer["temperature_coefficients"].fill_(math.log(INITIAL_TEMPERATURE))
    return model


def learn_rung(name: str, data: TextData, budget: LanguageBudget) -> dict[str, Any]:
    """Train one configuration and return its results, as plain JSON types.

    ``entropies`` are each head's mean over queries, as a share of the largest possible, log T (layers, heads).
    """
    rung = parse_rung(name)
    model = decoder(rung, data.vocabulary, budget.seq_len, budget.seed)
    regulariser = _regulariser(model.architecture, rung.entropy, budget) if rung.entropy else None
    learned = learn(model, data, budget, regulariser)
    return vars(learned) | {
        "rung": name,
        "reported_perplexity": PERPLEXITY.get(name),
        "seed": budget.seed,
        "architecture": model.architecture.key,
        "parameters": sum(value.numel() for value in model.parameters()),
        "entropies": None if learned.loss is None else head_entropies(model, data, budget),
        "thresholds": regulariser and [layer.tolist() for layer in regulariser.thresholds],
    }


def _regulariser(architecture: Architecture, form: Form, budget: LanguageBudget) -> EntropyRegulariser:
    """Return the penalty at the weight that it has in the authors' code at the paper's batch size, independent of ours.

    Algorithm 1 as written, with lambda on the mean, is ten thousand times weaker and has no effect.
    """
    rows = 1 if form == "mean" else budget.batch_size * budget.seq_len
    return EntropyRegulariser(architecture, PAPER_STRENGTH * PAPER_ROWS / rows, form=form)


@torch.no_grad()
def head_entropies(model: Model, data: TextData, budget: LanguageBudget) -> list[list[float]]:
    """Return each head's mean entropy on the first validation windows, as a share of log T."""
    ops = AttentionEntropies()
    size = budget.seq_len
    windows = torch.stack([data.validation[i * size : (i + 1) * size + 1] for i in range(budget.batch_size)])
    language_loss(model, windows, ops)
    return [(entropies.mean((0, 2)) / math.log(size)).tolist() for entropies in ops.entropies]
