"""Train a decoder from scratch on text, and score it; divergence is recorded as a result."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.tasks.text import TextData
from pibench.training.device import native_bfloat16
from pibench.training.distill import Regulariser
from pibench.training.finetune import parameter_groups, progress_bar, warmup_then_decay

WEIGHT_DECAY = 0.1
WARMUP = 0.05
GRADIENT_NORM = 1.0
_EVALUATION_BATCH = 32


@dataclass(frozen=True)
class LanguageBudget:
    """What each configuration may spend; the recipe beside it is AERO's (AdamW, clipping, warm-up, decay to zero).

    ``seq_len`` is both the context of training and of scoring, ``batch_size`` in sequences of that length.
    """

    steps: int = 1000
    batch_size: int = 16
    seq_len: int = 128
    learning_rate: float = 1e-3
    seed: int = 0


@dataclass(frozen=True)
class Learned:
    """Validation loss in nats a token and what follows from it, or the step at which training diverged."""

    loss: float | None
    perplexity: float | None
    bits_per_byte: float | None
    diverged_at: int | None


def learn(model: Model, data: TextData, budget: LanguageBudget, regulariser: Regulariser | None = None) -> Learned:
    """Train ``model`` in place on random windows of the training text and score it on the validation text.

    Raises:
        InputError: one of its coefficients was never set.
    """
    model.refuse_unset()
    trained = torch.nn.ModuleList([model, regulariser] if regulariser else [model])
    optimizer = torch.optim.AdamW(
        parameter_groups(trained, WEIGHT_DECAY), lr=budget.learning_rate, eps=1e-8, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_then_decay(budget.steps, WARMUP))
    generator = torch.Generator().manual_seed(budget.seed)
    model.train()
    with progress_bar(budget.steps, "learning language") as progress:
        for step in range(budget.steps):
            starts = torch.randint(len(data.train) - budget.seq_len, (budget.batch_size,), generator=generator)
            windows = torch.stack([data.train[start : start + budget.seq_len + 1] for start in starts])
            loss = _loss(model, windows, regulariser)
            if not torch.isfinite(loss):
                return Learned(None, None, None, step)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained.parameters(), GRADIENT_NORM)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            progress.update()
    return score(model.eval(), data, budget)


def _loss(model: Model, windows: torch.Tensor, regulariser: Regulariser | None) -> torch.Tensor:
    ops = regulariser.interpreter(0.0) if regulariser else TorchInterpreter()
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bfloat16(windows.device)):
        loss = language_loss(model, windows, ops)
        return loss if regulariser is None else loss + regulariser(ops)


def language_loss(
    model: Model, windows: torch.Tensor, ops: TorchInterpreter | None = None, reduction: str = "mean"
) -> torch.Tensor:
    """Return the cross-entropy of each next word; ``windows`` (batch, seq + 1) are token ids."""
    ids, goal = windows[:, :-1], windows[:, 1:]
    logits = model(ids, torch.zeros_like(ids), torch.ones_like(ids), ops).logits
    return functional.cross_entropy(logits.float().flatten(0, 1), goal.flatten(), reduction=reduction)


@torch.no_grad()
def score(model: Model, data: TextData, budget: LanguageBudget) -> Learned:
    """Score every validation token once, in float32, in windows of ``seq_len`` that do not overlap."""
    count = (len(data.validation) - 1) // budget.seq_len
    spans = [data.validation[i * budget.seq_len : (i + 1) * budget.seq_len + 1] for i in range(count)]
    total = sum(
        float(language_loss(model, torch.stack(spans[start : start + _EVALUATION_BATCH]), reduction="sum"))
        for start in range(0, count, _EVALUATION_BATCH)
    )
    loss = total / (count * budget.seq_len)
    if not math.isfinite(loss):
        return Learned(None, None, None, budget.steps)
    return Learned(loss, math.exp(loss), loss / math.log(2) / data.bytes_per_token, None)
