"""Decoders of every configuration that a method offers, trained from scratch on text; finished ones are kept.

Configurations that a method compares are trained with every seed, the others only with the first.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.conftest import PLAN
from pibench.disk import Cache
from pibench.errors import InputError
from pibench.measure.language import learned, outcome
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
    rows, cache = [], Cache(KEPT, reuse=option("resume"))
    for name, method in METHODS.items():
        if not isinstance(method, LearnsLanguage):
            continue
        for configuration in method.configurations:
            for seed in seeds if configuration in method.compared else seeds[:1]:
                row = learned(method, configuration, text, replace(budget, seed=seed), cache)
                log(f"{name}, {configuration}, seed {seed}: {outcome(row)}")
                rows.append(row)
    if not rows:
        pytest.skip("no installed method has decoders")
    save("language", rows)
