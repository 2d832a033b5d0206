"""Other people's plugins of pytest: what changes measurements is refused, what does not is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pibench.cli import main as command
from pibench.cli.disturbances import refuse
from pibench.errors import InputError
from tests.test_bench import arguments, check_refused


class Config:
    """Pytest's options and the settings of its configuration, as plugins that are installed declare them."""

    def __init__(self, settings: dict[str, Any], **options: Any) -> None:
        self._options, self._settings = {"benchmark_disable": False} | options, settings

    def getoption(self, name: str, default: Any = None) -> Any:
        return self._options.get(name, default)

    def getini(self, name: str) -> Any:
        if name not in self._settings:
            raise ValueError(f"unknown configuration value: {name!r}")
        return self._settings[name]


IDLE = {
    "dist": "no",
    "tx": [],
    "numprocesses": None,
    "looponfail": False,
    "count": 1,
    "flake_finder_enable": False,
    "reruns": None,
    "random_order_enabled": False,
    "random_order_bucket": "default:module",
    "random_order_seed": "default:7",
    "reverse": False,
    "cov_source": [],
    "timeout": None,
    "benchmark_skip": False,
}
SETTINGS = {"timeout": "", "session_timeout": "", "reruns": 0}


def test_plugins_that_are_installed_and_do_nothing_are_left_alone() -> None:
    refuse(Config(SETTINGS, **IDLE))
    refuse(Config({}, benchmark_disable=True, benchmark_enable=True))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dist": "load"}, "pytest-xdist"),
        ({"tx": ["2*popen"]}, "pytest-xdist"),
        ({"looponfail": True}, "pytest-xdist"),
        ({"count": 2}, "pytest-repeat"),
        ({"flake_finder_enable": True}, "pytest-flakefinder"),
        ({"reruns": 1}, "pytest-rerunfailures"),
        ({"randomly_reorganize": True, "randomly_reset_seed": False}, "add -p no:randomly"),
        ({"random_order_enabled": True}, "pytest-random-order"),
        ({"random_order_seed": "7"}, "pytest-random-order"),
        ({"reverse": True}, "pytest-reverse"),
        ({"cov_source": [True]}, "pytest-cov"),
        ({"timeout": 9.0}, "use --deadline"),
        ({"benchmark_disable": True}, "--benchmark-disable"),
        ({"benchmark_skip": True}, "-k latency"),
    ],
)
def test_options_that_change_what_is_measured_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match="changes what is measured") as refusal:
        refuse(Config(SETTINGS, **IDLE | options))
    assert words in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("settings", [{"timeout": "300"}, {"reruns": "2"}])
def test_settings_of_pytest_s_configuration_count_as_well(settings: dict[str, str]) -> None:
    with pytest.raises(InputError, match="pytest's configuration"):
        refuse(Config(SETTINGS | settings))


def test_a_time_limit_in_the_environment_counts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_TIMEOUT", "60")
    with pytest.raises(InputError, match="PYTEST_TIMEOUT"):
        refuse(Config(SETTINGS))


PLUGIN = """
def pytest_addoption(parser):
    parser.getgroup("other").addoption("{option}", dest="{dest}", default="no")
"""


@pytest.mark.parametrize(
    ("option", "dest", "given", "words"),
    [("--dist", "dist", " --dist=load", "side by side"), ("--profile", "profile", "", "-p no:NAME")],
)
def test_a_run_is_refused_whichever_way_a_plugin_comes_in(
    option: str,
    dest: str,
    given: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / f"other_{dest}.py").write_text(PLUGIN.format(option=option, dest=dest))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # xdist itself would have the same option
    monkeypatch.setenv("PYTEST_ADDOPTS", f"-p benchmark -p other_{dest}{given}")
    check_refused(tmp_path, [], [words], tmp_path, monkeypatch, capfd)


def test_a_run_brings_its_own_plugin_where_the_environment_switches_plugins_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(tmp_path)
    options = ["--collect-only", "--methods=dense", "--engine=lean", *arguments(tmp_path)[1:3]]
    assert command.main(["run", *options]) == 0
    assert "test_latency" in capfd.readouterr().out


def test_a_run_switches_off_what_shuffles_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(pytest, "main", lambda options: given.extend(options) or 0)
    assert command.main(["run", "-x"]) == 0
    assert "-p no:randomly" in " ".join(given) and given[-1] == "-x"
