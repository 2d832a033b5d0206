"""Options, cells and progress of a benchmark run."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pibench.cli import interrupt
from pibench.cli.disturbances import refuse
from pibench.errors import InputError, show_any_text
from pibench.measure.options import convert, declare
from pibench.measure.plan import Cell, Plan
from pibench.measure.workbench import Workbench
from pibench.methods.contract import Variant
from pibench.results.accuracy import accuracy
from pibench.results.communication import communication
from pibench.results.cost import LINKS
from pibench.results.evidence import join
from pibench.results.latency import latency, modelled_latency
from pibench.results.records import read_all
from pibench.results.render import Table, render
from pibench.results.tables import write_tables

STUDIES = Path(__file__).with_name("studies")
PLAN = pytest.StashKey[Plan]()
BENCH = pytest.StashKey[Workbench]()
TABLES = pytest.StashKey[list[Table]]()
PROBLEM = pytest.StashKey[str]()
LINES = pytest.StashKey[logging.Handler]()


def pytest_addoption(parser: pytest.Parser) -> None:
    try:
        declare(parser.getgroup("private inference").addoption)
    except ValueError as error:
        raise pytest.UsageError(
            f"another pytest plugin has an option of the suite's ({error}): switch it off with -p no:NAME"
        ) from error


def pytest_configure(config: pytest.Config) -> None:
    interrupt.leave()
    show_any_text()
    try:
        refuse(config)
        convert(config.option)
        config.stash[PLAN] = plan = Plan.from_options(config.option)
        _ = plan.cells
    except InputError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Run studies only if they are named."""
    named = any("studies" in Path(argument.partition("::")[0]).parts for argument in config.args)
    return True if collection_path == STUDIES and not named else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cell" in metafunc.fixturenames:
        cells = metafunc.config.stash[PLAN].cells
        metafunc.parametrize("cell", cells, ids=[cell.name for cell in cells])
    if "reference" in metafunc.fixturenames:
        keys = dict.fromkeys((cell.task, cell.seed) for cell in metafunc.config.stash[PLAN].cells)
        references = [Cell(task, "transformers", Variant("fine-tune"), seed) for task, seed in keys]
        metafunc.parametrize("reference", references, ids=[cell.name for cell in references])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Load the backbone and the data before the first cell, so that bad input ends the run at once."""
    if config.getoption("collectonly") or not any("bench" in getattr(item, "fixturenames", ()) for item in items):
        return
    bench = Workbench(config.stash[PLAN])
    try:
        source = bench.check()
    except InputError as error:
        raise pytest.UsageError(str(error)) from error
    except KeyboardInterrupt:
        pytest.exit(interrupt.SENTENCE, pytest.ExitCode.INTERRUPTED)
    config.stash[BENCH] = bench
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reporter.write_line(f"data: {'the built-in sample, not GLUE' if source == 'sample' else source}")


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    bench = request.config.stash[BENCH]
    yield bench
    bench.stop_parties()


class Progress:
    """Prints each cell with the estimated time left."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._write = reporter.write_line
        self._start = time.monotonic()
        self._total = self._done = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._total = len(session.items)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._write("")
        self._write(f"[{self._done + 1}/{self._total}] {nodeid.rsplit('::', maxsplit=1)[-1]} ...")

    def pytest_runtest_logfinish(self) -> None:
        self._done += 1
        spent = time.monotonic() - self._start
        left = spent / self._done * (self._total - self._done)
        self._write("")
        self._write(f"    {spent / 60:.1f} min so far, about {left / 60:.1f} min left")


class Lines(logging.Handler):
    """Prints what the suite logs, such as that data is not GLUE; pytest itself shows it for failed cells alone."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        super().__init__(logging.WARNING)
        self._write = reporter.write_line

    def emit(self, record: logging.LogRecord) -> None:
        self._write(f"note: {record.getMessage()}", yellow=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    session.config.pluginmanager.register(Progress(reporter))
    session.config.stash[LINES] = lines = Lines(reporter)
    logging.getLogger("pibench").addHandler(lines)


def pytest_unconfigure(config: pytest.Config) -> None:
    if LINES in config.stash:
        logging.getLogger("pibench").removeHandler(config.stash[LINES])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write all tables; records that do not make tables fail the run."""
    config = session.config
    if BENCH not in config.stash:
        return
    plan = config.stash[BENCH].plan
    link = plan.network
    if not any(plan.records.rglob("*.json")):
        return  # nothing but studies ran
    try:
        write_tables(plan.records, plan.tables)
        evidence = join(read_all(plan.records))
        config.stash[TABLES] = [accuracy(evidence), latency(evidence), communication(evidence)]
        if link.name not in LINKS:
            config.stash[TABLES].append(modelled_latency(evidence, link))
    except InputError as error:
        config.stash[PROBLEM] = str(error)
        session.exitstatus = pytest.ExitCode.INTERRUPTED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    """Print the three main tables."""
    if BENCH not in config.stash:
        return
    for table in config.stash.get(TABLES, []):
        terminalreporter.write_line("")
        terminalreporter.write_line(render(table, "md"))
    if PROBLEM in config.stash:
        terminalreporter.write_line(f"error: {config.stash[PROBLEM]}", red=True)
    plan = config.stash[BENCH].plan
    terminalreporter.write_line(f"tables: {plan.tables}   records: {plan.records}")
    if exitstatus != pytest.ExitCode.OK:
        terminalreporter.write_line("finished cells are kept: run again with --resume to do the rest")
