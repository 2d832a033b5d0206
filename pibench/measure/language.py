"""Decoders that a method trains from scratch on text; the result of each is cached."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pibench.disk import Cache
from pibench.measure.identity import compression_code
from pibench.methods.studies import LearnsLanguage
from pibench.tasks.text import TextData
from pibench.training.language import LanguageBudget


def learned(
    method: LearnsLanguage, configuration: str, text: TextData, budget: LanguageBudget, cache: Cache
) -> dict[str, Any]:
    """Return the row of one configuration, trained within ``budget`` unless it is in the cache."""
    name = method.info.name
    about = {
        "method": name,
        "corpus": text.corpus.name,
        "fingerprint": text.corpus.fingerprint,
        "vocabulary": text.vocabulary,
        **asdict(budget),
    }
    key = [about, configuration, compression_code(method)]
    return cache.cached(
        f"{name}-{configuration}", key, lambda: about | method.learn_language(configuration, text, budget)
    )


def outcome(row: dict[str, Any]) -> str:
    """Return the result of a configuration as a phrase."""
    if row["loss"] is None:
        return f"diverged at step {row['diverged_at']}"
    return f"perplexity {row['perplexity']:.1f}, {row['bits_per_byte']:.3f} bits a byte"
