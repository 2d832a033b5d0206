"""What a record says about where it was made: code, packages, threads and machine class."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pibench import CHECKOUT
from pibench.training.device import gpu_model

_PACKAGES = ("torch", "transformers", "crypten", "numpy", "scipy", "scikit-learn", "datasets")


def environment(threads: int) -> dict[str, Any]:
    """Return the ``environment`` object of a record, for a run with ``threads`` threads a party.

    It holds no host or user name. What cannot be determined is ``None``.
    """
    commit, dirty = _git_state()
    return {
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "threads": threads,
        "machine": machine(),
        "load_1m": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def machine() -> dict[str, Any]:
    """Return the class of this machine, without its name."""
    return {
        "cpu_model": _cpu_model(),
        "gpu_model": gpu_model(),
        "cores": os.cpu_count(),
        "ram_gb": _ram_gb(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _git_state() -> tuple[str | None, bool | None]:
    """Return the commit and whether the tree has changes; both None outside the project's own repository.

    A run writes to ``results``, so changes there say nothing about the code that ran.
    """
    # An installed package may lie in a virtual environment inside somebody else's repository.
    if _git("rev-parse", "--show-prefix") != "":
        return None, None
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--untracked-files=normal", "--", ":(exclude)results")
    return commit, None if status is None else bool(status)


def _git(*arguments: str) -> str | None:
    """Return what git says about our own folder; None if there is no git, or no repository.

    The surroundings may name another repository, as those of a git hook do, and the folder may belong to another user.
    """
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-c", f"safe.directory={CHECKOUT}", *arguments]
    try:
        done = subprocess.run(command, cwd=CHECKOUT, env=surroundings, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or None


def _ram_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None
