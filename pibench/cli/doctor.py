"""``pibench doctor``: check that everything that a run needs is installed."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pibench.cli.output import add_json, show
from pibench.cli.run import nothing_more, refuse_hidden_packages, refuse_missing_pytest
from pibench.errors import InputError

_DISK_GB = 5.0


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    doctor = commands.add_parser("doctor", help="check that everything that a run needs is there")
    add_json(doctor)
    doctor.set_defaults(run=_doctor)


def _doctor(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    rows = examined()
    show(rows, chosen.json)
    return int(any(row["needed"] == "yes" and row["state"] == "missing" for row in rows))


def examined() -> list[dict[str, str]]:
    """Return what was checked, whether a run needs it, its state, and what to do."""
    checks: list[tuple[str, str, Callable[[], str]]] = [
        ("Python 3.11 to 3.13", "yes", _python),
        ("pytest", "yes", _pytest),
        ("the suite's packages", "yes", _packages),
        ("loopback port", "yes", _port),
        ("backbone minilm", "yes", _backbone),
        ("methods", "yes", _methods),
        *((f"engine {name}", needed, partial(_engine, name)) for name, needed in _engines().items()),
        (f"{_DISK_GB:g} GB of disk", "yes", _disk),
        ("GLUE", "yes" if os.environ.get("PIBENCH_GLUE_DIR") else "no: the built-in sample is used instead", _glue),
        ("GPU", "no: it trains faster", _gpu),
        ("network namespaces", "no: for emulated links", _namespaces),
    ]
    found = []
    for name, needed, check in checks:
        try:
            found.append({"what": name, "needed": needed, "state": "there", "more": check()})
        except InputError as error:
            found.append({"what": name, "needed": needed, "state": "missing", "more": str(error)})
    return found


def _python() -> str:
    if not (3, 11) <= sys.version_info < (3, 14):
        raise InputError(f"this is {sys.version.split()[0]}: install a supported version")
    return sys.version.split()[0]


def _pytest() -> str:
    refuse_missing_pytest()
    return "with pytest-benchmark"


def _packages() -> str:
    refuse_hidden_packages()
    return "are the ones that Python finds"


def _engines() -> dict[str, str]:
    """Return whether a run needs each engine, by name."""
    from pibench.engines.registry import ENGINES, HEADLINE

    return {name: "yes" if name == HEADLINE else f"no: for --engine {name}" for name in ENGINES}


def _engine(name: str) -> str:
    from pibench.engines.registry import ENGINES

    if reason := ENGINES[name].missing():
        raise InputError(reason)
    return "runs here"


def _port() -> str:
    from pibench.net.processes import free_port

    return f"such as {free_port(None)}"


def _backbone() -> str:
    from pibench.model.backbones.backbone import load_backbone

    return f"{load_backbone().positions} positions"


def _methods() -> str:
    from pibench.methods.registry import METHODS

    return f"{len(list(METHODS.values()))} import"


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if free < _DISK_GB:
        raise InputError(f"only {free:.1f} GB are free at {Path.cwd()}: free some space")
    return f"{free:.0f} GB free"


def _glue() -> str:
    from pibench.tasks.glue import hub
    from pibench.tasks.sources import reachable

    folder = os.environ.get("PIBENCH_GLUE_DIR")
    if folder and not Path(folder).is_dir():
        raise InputError(f"PIBENCH_GLUE_DIR names {folder}, which is not a folder: correct it or unset it")
    if folder:
        return f"in {folder}"
    if reachable(hub("cola")):
        return "on the Hugging Face hub"
    raise InputError("name its folder in PIBENCH_GLUE_DIR, or connect to the Hugging Face hub")


def _gpu() -> str:
    from pibench.training.device import gpu_model

    if model := gpu_model():
        return model
    raise InputError("torch sees none")


def _namespaces() -> str:
    from pibench.net.emulation import available

    if reason := available():
        raise InputError(str(reason))
    return "can be made"
