"""A run's options make a plan, and the plan its cells: without pytest."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibench.engines.crypten.engine import Crypten
from pibench.errors import InputError
from pibench.measure.options import defaults, read
from pibench.measure.plan import Plan


def plan(*arguments: str) -> Plan:
    return Plan.from_options(read(arguments))


def test_cells_are_tasks_times_seeds_times_variants_times_engines() -> None:
    names = [cell.name for cell in plan("--tasks", "rte,cola", "--seeds=0,2", "--methods=bolt", "--engine=lean").cells]
    assert names == [f"{task}-bolt-no training-s{seed}" for task in ("rte", "cola") for seed in (0, 2)]


def test_an_engine_runs_all_methods_or_the_one_that_is_named_behind_it() -> None:
    cells = plan("--methods=puma,bolt", "--engine=lean,crypten:puma,spu-semi2k").cells
    assert [(cell.method, cell.engine) for cell in cells] == [
        ("puma", "lean"),
        ("puma", "crypten"),
        ("puma", "spu-semi2k"),
        ("bolt", "lean"),
        ("bolt", "spu-semi2k"),
    ]
    assert cells[1].name == "sst2-puma-no training-s0-crypten"


@pytest.mark.parametrize(
    ("installed", "options", "engines"),
    [
        (True, (), {"lean", "crypten"}),
        (False, (), {"lean"}),
        (True, ("--dealer=third-party",), {"lean"}),
        (True, ("--listen=a:1",), {"lean"}),
    ],
)
def test_crypten_s_dense_model_runs_beside_where_it_can(
    monkeypatch: pytest.MonkeyPatch, installed: bool, options: tuple[str, ...], engines: set[str]
) -> None:
    monkeypatch.setattr(Crypten, "missing", lambda self: None if installed else "install it")
    cells = plan("--methods=dense,bolt", *options).cells
    assert {cell.engine for cell in cells} == engines
    assert {cell.method for cell in cells if cell.engine == "crypten"} <= {"dense"}


def test_the_headline_engine_is_started_even_where_only_others_are_asked_for() -> None:
    assert list(plan("--engine=spu-semi2k", "--methods=dense").running) == ["lean", "spu-semi2k"]


@pytest.mark.parametrize(
    ("options", "folder"),
    [
        ((), "runs/quick-{data}"),
        (("--dealer=third-party",), "runs/third-party-dealer-{data}"),
        (("--listen=a:1",), "runs/two-machines-{data}"),
        (("--output=mine",), "mine"),
    ],
)
def test_what_cannot_be_mixed_has_a_folder_of_its_own(options: tuple[str, ...], folder: str) -> None:
    assert plan("--engine=lean", *options).output == Path(folder)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--engine=lean:polysoftmax",), "unknown method 'polysoftmax'"),
        (("--engine=spdz:dense",), "unknown engine 'spdz'"),
        (("--seq-len=2",), "--seq-len 2 leaves no room for text; give at least 3"),
        (("--mpc-examples=-1",), "give at least 0"),
        (("--no-such-option",), "no-such-option"),
        (("--port=abc",), "invalid int value: 'abc'"),
        (("--seeds=1.5",), "--seeds has '1.5'"),
    ],
)
def test_a_bad_option_is_one_sentence(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(*arguments)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_defaults_are_those_of_the_command_line() -> None:
    assert defaults() == read([])
    assert defaults(seeds="3").seeds == "3"
