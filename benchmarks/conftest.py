"""Options, cells and progress of a benchmark run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.studies import log, save  # noqa: F401 (fixtures)
from pibench.cli import interrupt
from pibench.engines.lean.dealer import DealerKind
from pibench.engines.security import DEALERS
from pibench.errors import InputError, pick
from pibench.measure.options import listed, seeds
from pibench.measure.plan import ENGINES, PROFILES, Cell, Plan, Profile
from pibench.measure.workbench import Workbench
from pibench.methods import registry
from pibench.methods.contract import Variant
from pibench.net.profiles import NETWORKS, Network, parse_network
from pibench.results.accuracy import accuracy
from pibench.results.communication import communication
from pibench.results.cost import LINKS
from pibench.results.evidence import join
from pibench.results.latency import latency, modelled_latency
from pibench.results.records import RESULTS, read_all
from pibench.results.render import Table, render
from pibench.results.tables import write_tables
from pibench.tasks.glue import get_task
from pibench.training.budget import Recovery

STUDIES = (
    "engine",
    "reliability",
    "spu",
    "test_ablation.py",
    "test_importance.py",
    "test_language.py",
    "test_decoder_costs.py",
    "test_operators.py",
)
PLAN = pytest.StashKey[Plan]()
CELLS = pytest.StashKey[list[Cell]]()
NETWORK = pytest.StashKey[Network]()
BENCH = pytest.StashKey[Workbench]()
TABLES = pytest.StashKey[list[Table]]()
PROBLEM = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("private inference")
    add = group.addoption
    add("--tasks", default="sst2", help="GLUE tasks, comma-separated (default: %(default)s)")
    add("--methods", default="all", help="methods, comma-separated (default: all that are installed)")
    add("--profile", default="quick", help=f"{' or '.join(PROFILES)} (default: %(default)s)")
    add("--seq-len", type=int, help="longest sequence in tokens (default: the profile's)")
    add("--engine", default="crypten", help="MPC engine (default: %(default)s)")
    add("--mpc-examples", type=int, help="validation examples scored under MPC, 0 for none (default: the profile's)")
    links = ", ".join(name for name in NETWORKS if name not in LINKS)
    add("--network", default="lan", help=f"one more link to model: {links}, or such as '3Gbit,1ms'")
    add("--seeds", default="0", help="seeds, comma-separated (default: %(default)s)")
    add("--backbone", default="minilm", help="hub id, folder, or minilm (default: %(default)s)")
    add("--recovery", default="distill", help="distill from the dense model, or finetune (default: %(default)s)")
    add("--resume", action="store_true", help="keep finished cells and trained models of an earlier run")
    add("--glue-dir", type=Path, help="folder of GLUE parquet files (default: $PIBENCH_GLUE_DIR)")
    add("--data", default="auto", help="auto, folder, hub or sample (default: %(default)s)")
    add("--output", type=Path, help="where records and tables go (default: the profile's)")
    add("--studies", type=Path, default=RESULTS / "records", help="where studies' records go (%(default)s)")
    add("--corpus", default="warandpeace", help="text that decoders learn, a folder's name (default: %(default)s)")
    add("--text-dir", type=Path, help="folder with a folder of text for each corpus (default: $PIBENCH_TEXT_DIR)")
    add("--vocabulary", type=int, default=2048, help="words of the decoders' tokenizer (default: %(default)s)")
    add("--dealer", default="first-party", help=f"{' or '.join(DEALERS)}, see docs/security.md (default: %(default)s)")
    add("--listen", metavar="HOST:PORT", help="where party 1 calls from another machine, see `pibench party --help`")
    add("--certificates", type=Path, help="folder of certificates of this party (with --listen)")
    add("--port", type=int, help="TCP port on loopback for the two parties (default: a free one)")
    add("--deadline", type=float, default=900.0, help="longest wait for one answer of a party, in seconds")


def pytest_configure(config: pytest.Config) -> None:
    interrupt.leave()
    try:
        config.stash[PLAN] = _plan(config)
        config.stash[NETWORK] = parse_network(config.getoption("network"))
        config.stash[CELLS] = _cells(config, config.stash[PLAN])
    except InputError as error:
        raise pytest.UsageError(str(error)) from error


def _plan(config: pytest.Config) -> Plan:
    option = config.getoption
    profile = PROFILES[pick("profile", option("profile"), list(PROFILES))]
    seq_len = profile.seq_len if option("seq_len") is None else option("seq_len")
    if seq_len < 3:
        raise InputError(f"--seq-len {seq_len} leaves no room for text; give at least 3")
    if option("mpc_examples") is not None and option("mpc_examples") < 0:
        raise InputError(f"--mpc-examples {option('mpc_examples')} is not a number of examples; give 0 or more")
    return Plan(
        profile=profile,
        budget=replace(profile.budget, recovery=pick("recovery", option("recovery"), get_args(Recovery))),
        seq_len=seq_len,
        backbone=option("backbone"),
        mpc_examples=profile.mpc_examples if option("mpc_examples") is None else option("mpc_examples"),
        engine=pick("engine", option("engine"), list(ENGINES)),
        glue_dir=option("glue_dir"),
        source=option("data"),
        output=option("output") or _default_output(config, profile),
        resume=option("resume"),
        port=option("port"),
        deadline=option("deadline"),
        listen=option("listen"),
        certificates=option("certificates"),
        dealer=_dealer(config),
    )


def _dealer(config: pytest.Config) -> DealerKind:
    kind = pick("dealer", config.getoption("dealer"), list(DEALERS))
    if kind == "third-party" and config.getoption("listen"):
        raise InputError("--dealer third-party runs on one machine alone: leave --listen out")
    return kind


def _default_output(config: pytest.Config, profile: Profile) -> Path:
    """Return a profile's folder, or one of its own for what is not to be mixed with it."""
    if config.getoption("listen"):
        return Path("runs/two-machines-{data}")
    return Path("runs/third-party-dealer-{data}" if config.getoption("dealer") == "third-party" else profile.output)


def _cells(config: pytest.Config, plan: Plan) -> list[Cell]:
    """Return all cells, after loading what they need, so that bad input ends the run before it starts."""
    tasks = [get_task(name).name for name in listed("tasks", config.getoption("tasks"))]
    asked = config.getoption("methods")
    methods = registry.names() if asked == "all" else listed("methods", asked)
    methods = [pick("method", name, registry.names()) for name in methods]
    chosen = seeds(config.getoption("seeds"))
    return [
        Cell(task, method, variant, seed)
        for task in tasks
        for seed in chosen
        for method in methods
        for variant in _variants(method)
        if variant.lowering == "fair" or not (plan.listen or plan.dealer == "third-party")  # CrypTen has neither
    ]


def _variants(method: str) -> tuple[Variant, ...]:
    """Return a method's variants; a broken plugin gets one, whose cell then fails with the reason."""
    try:
        return registry.get(method).info.variants
    except InputError:
        return (Variant("unknown"),)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave studies to a run that names them, such as ``nox -s engine``."""
    name = collection_path.name
    return True if name in STUDIES and not any(name in argument for argument in config.args) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cell" in metafunc.fixturenames:
        cells = metafunc.config.stash[CELLS]
        metafunc.parametrize("cell", cells, ids=[cell.name for cell in cells])
    if "reference" in metafunc.fixturenames:
        keys = dict.fromkeys((cell.task, cell.seed) for cell in metafunc.config.stash[CELLS])
        references = [Cell(task, "transformers", Variant("fine-tune"), seed) for task, seed in keys]
        metafunc.parametrize("reference", references, ids=[cell.name for cell in references])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Load the backbone and the data before the first cell, so that bad input ends the run at once."""
    if config.getoption("collectonly") or not any("bench" in getattr(item, "fixturenames", ()) for item in items):
        return
    bench = Workbench(config.stash[PLAN])
    try:
        source = bench.check(config.stash[CELLS])
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
    """Prints each finished cell with what is left to do."""

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


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    session.config.pluginmanager.register(Progress(reporter))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write all tables; records that make none end the run as failed."""
    config = session.config
    if BENCH not in config.stash:
        return
    plan, link = config.stash[BENCH].plan, config.stash[NETWORK]
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
    """Print the three tables that people ask for."""
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
        terminalreporter.write_line("finished cells are kept: run again with --resume to do only the rest")
