"""A run's options make a plan, and the plan its cells: without pytest."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibench.engines.crypten.engine import Crypten
from pibench.errors import InputError
from pibench.measure.options import defaults, read
from pibench.measure.plan import Plan
from pibench.methods.registry import METHODS


def plan(*arguments: str) -> Plan:
    return Plan.from_options(read(arguments))


def test_cells_are_tasks_times_seeds_times_variants_times_engines() -> None:
    names = [cell.name for cell in plan("--tasks", "rte,cola", "--seeds=0,2", "--methods=the_x", "--engine=lean").cells]
    variants = [variant.name for variant in METHODS["the_x"].info.variants]
    assert names == [f"{task}-the_x-{name}-s{seed}" for task in ("rte", "cola") for seed in (0, 2) for name in variants]


def test_one_variant_of_a_method_may_run_alone() -> None:
    cells = plan("--methods=dense/exact,ig3d/within_1.0,bolt", "--engine=lean").cells
    assert [(cell.method, cell.variant.name) for cell in cells] == [
        ("dense", "exact"),
        ("ig3d", "within_1.0"),
        ("bolt", "no training"),
    ]
    with pytest.raises(InputError, match="unknown variant 'exactly': did you mean 'exact'"):
        plan("--methods=dense/exactly")


def test_an_engine_runs_all_methods_or_the_one_that_is_named_behind_it() -> None:
    cells = plan("--methods=dense,bolt", "--engine=lean,crypten:dense/exact,spu-semi2k:bolt").cells
    found = {(cell.method, cell.variant.name, cell.engine) for cell in cells}
    every = {(name, variant.name) for name in ("dense", "bolt") for variant in METHODS[name].info.variants}
    assert found == {
        *((*row, "lean") for row in every),
        ("dense", "exact", "crypten"),
        *((*row, "spu-semi2k") for row in every if row[0] == "bolt"),
    }
    assert cells[1].name == "sst2-dense-exact-s0-crypten"


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
    assert {(cell.method, cell.variant.name) for cell in cells if cell.engine == "crypten"} <= {("dense", "exact")}


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
        (("--seq-len=2",), "--seq-len '2' is not a whole number from 3 to 1000000"),
        (("--mpc-examples=-1",), "is not a whole number from 0 to"),
        (("--no-such-option",), "no-such-option"),
        (("--mpc-examples=1e3",), "--mpc-examples '1e3'"),
        (("--port=abc",), "--port 'abc' is not a whole number from 1 to 65535"),
        (("--port=0",), "--port '0'"),
        (("--port=65536",), "--port '65536'"),
        (("--deadline=-3",), "--deadline '-3' is not a number from 0.01"),
        (("--deadline=nan",), "--deadline 'nan'"),
        (("--deadline=inf",), "--deadline 'inf'"),
        (("--vocabulary=255",), "--vocabulary '255'"),
        (("--seeds=4294967296",), "--seeds '4294967296' is not a whole number from 0 to 4294967295"),
        (("--seeds=0,-1",), "--seeds '-1'"),
        (("--output=",), "--output is empty"),
        (("--backbone=",), "--backbone is empty"),
        (("--listen=",), "--listen is empty"),
        (("--output=~no-such-user/x",), "'~no-such-user/x' has no home folder"),
        (("--seeds=1.5",), "--seeds '1.5' is not a whole number"),
    ],
)
def test_a_bad_option_is_one_sentence(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(*arguments)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_tilde_is_the_home_folder_in_every_option_that_takes_a_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = ("--output", "--glue-dir", "--certificates", "--text-dir", "--studies", "--backbone")
    options = vars(read([f"{name}=~/x" for name in paths]))
    assert {str(options[name[2:].replace("-", "_")]) for name in paths} == {str(tmp_path / "x")}


@pytest.mark.parametrize(
    ("backbone", "name"), [(".", "inner"), ("./", "inner"), ("..", "outer"), ("deep/", "deep"), ("deep/..", "inner")]
)
def test_a_folder_s_name_is_never_empty(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backbone: str, name: str
) -> None:
    (tmp_path / "outer" / "inner" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "outer" / "inner")
    assert plan(f"--backbone={backbone}", "--engine=lean").backbone_name == name
    assert plan("--backbone=/", "--engine=lean").backbone_name == "/"


def test_defaults_are_those_of_the_command_line() -> None:
    assert defaults() == read([])
    assert defaults(seeds="3").seeds == "3"
