"""The one training loop: AdamW, linear warm-up and decay, a loss that the caller chooses.

Training runs on a GPU where there is one, and in bfloat16 autocast where the processor multiplies it natively (about
twice as fast); weights, evaluation and every recorded accuracy are float32.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.model.spent import Spent
from pibench.tasks.batches import Batch, ordered, shuffled
from pibench.tasks.data import Split, TaskData
from pibench.training.budget import Budget
from pibench.training.device import native_bfloat16, on_device
from pibench.training.spending import models_in, spend

M = TypeVar("M", bound=nn.Module)
Loss = Callable[[M, Batch, TorchInterpreter], torch.Tensor]

DROPOUT = 0.1
WARMUP = 0.1
WEIGHT_DECAY = 0.01
EVALUATION_BATCH = 64


def task_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return cross-entropy, or mean squared error where there is one output."""
    if logits.shape[1] == 1:
        return functional.mse_loss(logits[:, 0].float(), labels)
    return functional.cross_entropy(logits.float(), labels)


def label_loss(model: Model, batch: Batch, ops: TorchInterpreter) -> torch.Tensor:
    """Return the task's own loss on a batch."""
    return task_loss(model(batch.input_ids, batch.token_type_ids, batch.keep, ops).logits, batch.labels)


def train(
    model: M,
    data: TaskData,
    budget: Budget,
    loss: Loss[M],
    name: str,
    dropout: float = DROPOUT,
    each_epoch: Callable[[M], None] = lambda model: None,
    examples: int | None = None,
) -> M:
    """Train ``model`` in place for ``budget`` and return it; deterministic by ``budget.seed`` and what it has spent.

    ``name`` labels the progress bar; ``each_epoch`` is called with the model, in evaluation mode and on the
    training device, after every epoch. ``examples`` is how many are spent, the budget's allowance by default; the last
    epoch may be a part of one. Every step is counted (see :mod:`pibench.training.spending`).

    Raises:
        FloatingPointError: the loss is no longer a number.
    """
    sizes = epochs(budget, len(data.train), examples)
    steps = sum(-(-size // budget.batch_size) for size in sizes)
    rng = np.random.default_rng([budget.seed, *(part.spent.steps for part in models_in(model))])
    model.train()
    with on_device(model) as device, torch.random.fork_rng(), progress_bar(steps, name) as progress:
        optimizer = torch.optim.AdamW(parameter_groups(model, WEIGHT_DECAY), lr=budget.learning_rate, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_then_decay(steps, WARMUP))
        torch.manual_seed(budget.seed)
        for size in sizes:
            for batch in shuffled(data.train, budget.batch_size, data.pad_id, rng, size):
                training_step(model, batch.to(device), loss, dropout)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                spend(model, Spent(steps=1, examples=len(batch.labels)))
                progress.update()
            each_epoch(model.eval())
            model.train()
    return model.eval()


def epochs(budget: Budget, available: int, examples: int | None = None) -> list[int]:
    """Return the number of examples in each epoch, ``examples`` in all; by default what the budget allows."""
    whole = budget.epoch(available)
    full, part = divmod(budget.allowance(available) if examples is None else examples, max(1, whole))
    return [whole] * full + [part] * (part > 0)


def training_step(model: M, batch: Batch, loss: Loss[M], dropout: float = DROPOUT) -> None:
    """Add the clipped gradient of one batch, which is on the model's device, to the parameters."""
    device = batch.labels.device
    with torch.autocast(device.type, torch.bfloat16, enabled=native_bfloat16(device)):
        value = loss(model, batch, TorchInterpreter(dropout))
    if not torch.isfinite(value):
        raise FloatingPointError("training diverged: the loss is no longer a number")
    value.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)


def progress_bar(steps: int, name: str) -> tqdm:
    """Return a progress bar that is live on a terminal and prints a line every half minute to a log file."""
    return tqdm(total=steps, desc=name, leave=False, mininterval=0.1 if sys.stderr.isatty() else 30)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Return AdamW's groups: matrices decay, vectors and scalars do not."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.dim() <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def warmup_then_decay(steps: int, share: float) -> Callable[[int], float]:
    """Return the factor of the learning rate at each step: up over ``share`` of all steps, then down to zero."""
    warmup = max(1, int(steps * share))
    return lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))


@torch.no_grad()
def predict(model: Model, split: Split, pad_id: int) -> np.ndarray:
    """Return float32 logits (examples, outputs) in the split's own order."""
    logits = np.zeros((len(split), model.architecture.outputs), dtype=np.float32)
    with on_device(model) as device:
        for batch in ordered(split, EVALUATION_BATCH, pad_id):
            here = batch.to(device)
            output = model(here.input_ids, here.token_type_ids, here.keep)
            logits[batch.indices] = output.logits.cpu().numpy()
    return logits
