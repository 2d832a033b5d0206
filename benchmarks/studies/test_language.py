"""Decoders of every configuration that a method offers, trained from scratch on text; each is kept once it is done.

Those that a method compares are trained with every seed, the others with the first alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

import pibench
from benchmarks.conftest import PLAN
from pibench.disk import save_text
from pibench.errors import InputError
from pibench.measure.study import Log, Save
from pibench.methods.registry import METHODS
from pibench.methods.studies import LearnsLanguage
from pibench.tasks.text import TextData, load_corpus, tokenise
from pibench.training.language import LanguageBudget

KEPT = Path("runs/language")
BUDGETS = {
    "quick": LanguageBudget(steps=30, batch_size=8, seq_len=64),
    "full": LanguageBudget(steps=1000, batch_size=16, seq_len=128),
}


@pytest.fixture
def text(request: pytest.FixtureRequest) -> TextData:
    option = request.config.getoption
    try:
        corpus = load_corpus(option("corpus"), option("text_dir"), option("data"))
        return tokenise(corpus, option("vocabulary"))
    except InputError as error:
        pytest.exit(f"error: {error}", returncode=2)


def test_language(text: TextData, save: Save, log: Log, request: pytest.FixtureRequest) -> None:
    option = request.config.getoption
    budget = BUDGETS[option("profile")]
    seeds = list(dict.fromkeys(cell.seed for cell in request.config.stash[PLAN].cells))
    rows = []
    for name, method in METHODS.items():
        if not isinstance(method, LearnsLanguage):
            continue
        for configuration in method.configurations:
            for seed in seeds if configuration in method.compared else seeds[:1]:
                row = learned(method, configuration, text, replace(budget, seed=seed), option("resume"))
                log(f"{name}, {configuration}, seed {seed}: {outcome(row)}")
                rows.append(row)
    if not rows:
        pytest.skip("no installed method has decoders")
    save("language", rows)


def learned(method: Any, configuration: str, text: TextData, budget: LanguageBudget, resume: bool) -> dict[str, Any]:
    """Return what came of one configuration: from an earlier run if there is one, or else trained and kept."""
    name = method.info.name
    about = {
        "method": name,
        "corpus": text.corpus.name,
        "fingerprint": text.corpus.fingerprint,
        "vocabulary": text.vocabulary,
        **asdict(budget),
    }
    parts = [about, configuration, method.info.version, pibench.__version__]
    path = KEPT / f"{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}.json"
    if resume and path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    row = about | method.learn_language(configuration, text, budget)
    save_text(json.dumps(row), path)
    return row


def outcome(row: dict[str, Any]) -> str:
    if row["loss"] is None:
        return f"diverged at step {row['diverged_at']}"
    return f"perplexity {row['perplexity']:.1f}, {row['bits_per_byte']:.3f} bits a byte"
