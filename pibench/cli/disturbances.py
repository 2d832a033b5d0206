"""Refuses options of pytest's plugins that would change what is measured."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pibench.errors import InputError


class Config(Protocol):
    """What is read of ``pytest.Config``."""

    def getoption(self, name: str, default: Any = ...) -> Any:
        """Return an option's value, or ``default`` where no plugin has that option."""

    def getini(self, name: str) -> Any:
        """Return a setting of pytest's configuration; raises ``ValueError`` where no plugin has it."""


def _given(*names: str, idle: tuple[Any, ...] = ()) -> Callable[[Config], bool]:
    """Return whether one of these options, or settings of pytest's configuration, has a value that is not idle."""
    nothing = (None, False, "", [], *idle)
    return lambda config: any(_value(config, name) not in nothing for name in names)


def _value(config: Config, name: str) -> Any:
    if (value := config.getoption(name, None)) is not None:
        return value
    try:
        return config.getini(name)
    except (KeyError, ValueError):  # no plugin knows it
        return None


@dataclass(frozen=True)
class Disturbance:
    """What changes measurements: the options as a user writes them, what they do, and whether they are given."""

    options: str
    does: str
    active: Callable[[Config], bool]
    remedy: str = "leave it out, also in PYTEST_ADDOPTS and pytest's configuration"


def _times_out(config: Config) -> bool:
    limits = (os.environ.get("PYTEST_TIMEOUT"), _value(config, "timeout"), _value(config, "session_timeout"))
    return any(limit and float(limit) > 0 for limit in limits)


def _shuffles(config: Config) -> bool:
    named = (str(config.getoption(f"random_order_{name}", "default:")) for name in ("bucket", "seed"))
    return _given("random_order_enabled")(config) or any(not value.startswith("default:") for value in named)


DISTURBANCES = (
    Disturbance("-n, --dist or --tx (pytest-xdist)", "runs cells side by side", _given("dist", "tx", idle=("no",))),
    Disturbance("--looponfail (pytest-xdist)", "runs failed cells again", _given("looponfail")),
    Disturbance("--workers (pytest-parallel)", "runs cells side by side", _given("workers", "tests_per_worker")),
    Disturbance(
        "--parallel-threads (pytest-run-parallel)", "runs cells side by side", _given("parallel_threads", idle=(1, "1"))
    ),
    Disturbance("--forked (pytest-forked)", "runs each cell in another process", _given("forked")),
    Disturbance("--count (pytest-repeat)", "runs cells more than once", _given("count", idle=(1,))),
    Disturbance("--flake-finder (pytest-flakefinder)", "runs cells more than once", _given("flake_finder_enable")),
    Disturbance(
        "--reruns (pytest-rerunfailures)",
        "runs failed cells again",
        _given("reruns", "force_reruns", "max_suite_reruns", idle=(0, "0")),
    ),
    Disturbance("--force-flaky (flaky)", "runs failed cells again", _given("force_flaky")),
    Disturbance(
        "pytest-randomly",
        "shuffles the cells and reseeds random numbers",
        _given("randomly_reorganize", "randomly_reset_seed"),
        remedy="add -p no:randomly",
    ),
    Disturbance("--random-order (pytest-random-order)", "shuffles the cells", _shuffles),
    Disturbance("--reverse (pytest-reverse)", "reverses the order of cells", _given("reverse")),
    Disturbance("--ff or --nf", "reorders the cells", _given("failedfirst", "newfirst")),
    Disturbance("--cov (pytest-cov)", "slows down whatever is timed", _given("cov_source")),
    Disturbance("--memray (pytest-memray)", "slows down whatever is timed", _given("memray")),
    Disturbance(
        "a time limit of pytest-timeout",
        "ends slow cells",
        _times_out,
        remedy="leave it out, also in PYTEST_TIMEOUT and pytest's configuration, and use --deadline",
    ),
    Disturbance(
        "--benchmark-disable (pytest-benchmark)",
        "times a single pair of runs",
        lambda config: _given("benchmark_disable")(config) and not _given("benchmark_enable")(config),
    ),
    Disturbance(
        "--benchmark-skip or --benchmark-only (pytest-benchmark)",
        "leaves out cells",
        _given("benchmark_skip", "benchmark_only"),
        remedy="choose cells with -k latency or -k 'not latency'",
    ),
    Disturbance("--benchmark-cprofile (pytest-benchmark)", "adds a run under a profiler", _given("benchmark_cprofile")),
    Disturbance(
        "--benchmark-disable-gc (pytest-benchmark)", "changes the timed process", _given("benchmark_disable_gc")
    ),
)


def refuse(config: Config) -> None:
    """Refuse a run whose numbers would not be those of an undisturbed one.

    Raises:
        InputError: an option is active that changes what is measured, or pytest-benchmark is off.
    """
    for one in DISTURBANCES:
        if one.active(config):
            raise InputError(f"{one.options} {one.does}, which changes what is measured: {one.remedy}")
    if config.getoption("benchmark_disable", None) is None:
        raise InputError("pytest-benchmark, which times the cells, is not loaded: add -p benchmark")
