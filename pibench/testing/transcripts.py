"""Statistics of what a party receives: is it uniform, and can it tell one secret from another?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from pibench.engines.lean.shares import Shared
from pibench.model.module import Model
from pibench.testing.two_parties import Program, View, inference, meet, third_party

KEEP = torch.ones(2, 8, dtype=torch.int64)
_LOOKED_AT = 4096
"""Bytes of a message that its histogram counts, a multiple of every width."""

Transcripts = list[View]
"""What a party receives, a list of tensors a run; every run has the same shapes."""


@dataclass(frozen=True)
class Views:
    """What the parties receive, by rank, and what they exchange in rounds with messages both ways: own and other's."""

    received: tuple[Transcripts, Transcripts]
    own: Transcripts
    others: Transcripts
    dealt: Transcripts
    """What the dealer sends party 0; party 1 gets nothing from it."""


def observe(programs: Sequence[Program[object]], public: torch.Tensor, seed: int = 0) -> Views:
    """Run each program with its own third-party dealer; the ``public`` tensor and the last round, which reveals
    the result, are left out.
    """
    views = Views(([], []), [], [], [])
    for run, program in enumerate(programs):
        dealers, dealt = third_party(program, seed=seed + run)
        links = meet(program, dealers=dealers).links
        views.dealt.append(dealt)
        for rank, link in enumerate(links):
            parts = [part for parts in link.received[:-1] for part in parts]
            views.received[rank].append([part for part in parts if not torch.equal(part, public)])
        rounds = [pair for pair in zip(links[0].sent[:-1], links[0].received[:-1], strict=True) if all(pair)]
        views.own.append([part for sent, _ in rounds for part in sent])
        views.others.append([part for _, received in rounds for part in received])
    return views


@torch.no_grad()
def encoder_runs(model: Model, scales: Sequence[float], seed: int) -> Views:
    """Observe a run of an encoder on each constant text, one per number."""
    programs = [inference(model, torch.full((*KEEP.shape, 16), scale), KEEP) for scale in scales]
    return observe(programs, KEEP, seed)


def uniform(runs: Transcripts, short: bool = False) -> list[float]:
    """Return the chi-square p-value that groups of four bits of each message are uniform (``short``: bits in use)."""
    return [
        float(stats.chisquare(_histogram(_in_use(messages) if short else messages)).pvalue)
        for messages in zip(*runs, strict=True)
    ]


def told_apart(one: Transcripts, other: Transcripts) -> list[float]:
    """Return the chi-square p-value that each message has the same distribution under two secrets."""
    counts = [
        np.stack([_histogram(a), _histogram(b)])
        for a, b in zip(zip(*one, strict=True), zip(*other, strict=True), strict=True)
    ]
    return [float(stats.chi2_contingency(pair[:, pair.any(axis=0)]).pvalue) for pair in counts]


def joint(own: Transcripts, others: Transcripts) -> list[float]:
    """Return the chi-square p-value that each received message is uniform given the one sent in the same round."""
    found = []
    for sent, received in zip(zip(*own, strict=True), zip(*others, strict=True), strict=True):
        pairs = 16 * _fours(sent) + _fours(received)
        found.append(float(stats.chisquare(np.bincount(pairs, minlength=256)).pvalue))
    return found


def correlated(runs: Transcripts, secrets: Sequence[float]) -> list[float]:
    """Return Spearman's p-value that the mean of each message does not follow the secret of its run."""
    means = np.array([[float(message.double().mean()) for message in messages] for messages in runs])
    return [float(stats.spearmanr(column, secrets).pvalue) if np.ptp(column) else 1.0 for column in means.T]


def smallest(probabilities: Sequence[float]) -> float:
    """Return the smallest p-value with Bonferroni's correction, at most 1."""
    return min(1.0, len(probabilities) * min(probabilities))


def _histogram(messages: Sequence[torch.Tensor]) -> np.ndarray:
    return np.bincount(_fours(messages), minlength=16)


def _fours(messages: Sequence[torch.Tensor]) -> np.ndarray:
    """Return the values of all groups of four bits of a message in several runs."""
    data = np.stack([message.contiguous().reshape(-1).view(torch.uint8)[:_LOOKED_AT].numpy() for message in messages])
    return np.concatenate([data.reshape(-1) & 15, data.reshape(-1) >> 4])


def _in_use(messages: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return the bits that are set in any run of a message, as bytes."""
    rows = [np.unpackbits(message.contiguous().reshape(-1).view(torch.uint8).numpy()) for message in messages]
    width = 8 * messages[0].element_size()
    used = np.tile(np.any(np.stack(rows).reshape(-1, width), axis=0), len(rows[0]) // width)
    return [torch.from_numpy(np.packbits(row[used])) for row in rows] if used.any() else list(messages)


def read_back(text: Shared) -> torch.Tensor | None:
    """Return the client's numbers, recovered from the server's view of the first product, or None if they are not."""
    if text.sent is None or text.sent.mask.plain is None:
        return None
    return (text.sent.public + text.sent.mask.plain).double() / 2.0**text.fraction
