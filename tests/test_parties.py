from __future__ import annotations

import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pibench
from pibench.engines.crypten import compat
from pibench.engines.engine import Session
from pibench.engines.lean.parties import LeanParties
from pibench.engines.registry import ENGINES
from pibench.errors import InputError
from pibench.net.processes import PartyFailed, PartyTimeout, free_port
from tests.conftest import MakeModel

ROOT = Path(__file__).resolve().parents[1]
mpc = pytest.mark.mpc

EMBEDDED = np.random.default_rng(0).normal(size=(8, 40, 16)).astype(np.float32)
KEEP = np.ones((8, 40), dtype=np.int64)


@mpc
@pytest.mark.parametrize(("rank", "name"), [(0, "party 0 (server)"), (1, "party 1 (client)")])
def test_a_killed_party_is_named_with_its_signal(make_model: MakeModel, rank: int, name: str) -> None:
    with LeanParties(Session(deadline=120)) as running:
        running.load("model", make_model(layers=8))
        process = running.processes[rank]
        assert process.pid is not None
        killer = threading.Timer(0.5, os.kill, (process.pid, signal.SIGKILL))
        killer.start()
        start = time.monotonic()
        with pytest.raises(PartyFailed) as caught:
            while time.monotonic() < start + 60:
                running.infer("model", EMBEDDED, KEEP)
        assert str(caught.value) == f"{name} was killed by signal 9"
        assert not isinstance(caught.value, PartyTimeout)
        assert time.monotonic() < start + 30
        with pytest.raises(PartyFailed):
            running.infer("model", EMBEDDED, KEEP)
    assert not any(process.is_alive() for process in running.processes)


UNGUARDED = """
from pibench.engines.engine import Session
from pibench.engines.lean.parties import LeanParties
with LeanParties(Session(deadline=60)):
    pass
"""


@mpc
def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "a script that starts parties must do so under `if __name__ == '__main__':`" in last
    assert done.stderr.count("Traceback") == 1 and "bootstrapping" not in done.stderr


@mpc
def test_a_party_that_raises_is_named_with_its_words() -> None:
    with (
        LeanParties(Session(deadline=120)) as running,
        pytest.raises(PartyFailed, match=r"party [01] .*KeyError: 'no such'"),
    ):
        running.infer("no such", EMBEDDED, KEEP)


@mpc
def test_a_stopped_party_misses_the_deadline_and_is_named(make_model: MakeModel) -> None:
    with LeanParties(Session(deadline=120)) as running:
        running.load("model", make_model())
        client = running.processes[1].pid
        assert client is not None
        os.kill(client, signal.SIGSTOP)
        running.running.deadline = 1.0
        start = time.monotonic()
        with pytest.raises(PartyTimeout, match=r"party 1 \(client\) gave no answer within 1 s"):
            running.infer("model", EMBEDDED, KEEP)
        assert time.monotonic() < start + 10
    assert not any(process.is_alive() for process in running.processes)


@mpc
def test_starting_has_a_deadline_and_leaves_no_process() -> None:
    running = LeanParties(Session(deadline=0.05))
    with pytest.raises(PartyTimeout, match=r"party 0 \(server\), party 1 \(client\) gave no answer"):
        running.__enter__()
    assert not any(process.is_alive() for process in running.processes)


@mpc
def test_the_same_port_can_be_used_again_at_once() -> None:
    port = free_port(None)
    for _ in range(2):
        with LeanParties(Session(deadline=120, port=port)) as running:
            assert all(process.is_alive() for process in running.processes)


def test_a_busy_port_is_refused_in_one_sentence() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(InputError, match=f"^port {port} on 127.0.0.1 is busy or invalid; choose another[^\n]*$"):
            LeanParties(Session(port=port))


def test_only_the_models_loaded_last_are_kept(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[tuple[str, str]] = []
    running = LeanParties(Session(models_at_once=2))
    monkeypatch.setattr(running.running, "call", lambda messages: commands.append((messages[1][0], messages[1][1][0])))
    model = make_model()
    for name in ("a", "b", "a", "c", "a"):
        running.load(name, model)
    assert commands == [("load", name) for name in "ab"] + [("drop", "a"), ("load", "c"), ("drop", "b"), ("load", "a")]


def test_missing_crypten_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "crypten"]:
        monkeypatch.delitem(sys.modules, name)

    class Blocker:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            if name == "crypten":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Blocker(), *sys.meta_path])
    with pytest.raises(InputError) as caught:
        ENGINES["crypten"].check(Session())
    assert compat.INSTALL in str(caught.value)
    assert "'crypten' is missing" in str(caught.value)
    assert "onnx" not in sys.modules


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False, timeout=120
    )


def test_every_module_imports_without_crypten() -> None:
    modules = {module.name for module in pkgutil.walk_packages(pibench.__path__, "pibench.")}
    need_jax = {f"pibench.engines.spu.{name}" for name in ("interpreter", "program")}
    assert need_jax < modules
    names = sorted(modules - need_jax)
    assert len(names) > 30
    done = run_python(f"""
import importlib, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "crypten":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
for name in {["pibench", *names]!r}:
    importlib.import_module(name)
from pibench.engines.crypten.compat import import_crypten
try:
    import_crypten()
except ValueError as error:
    print(error)
""")
    assert done.returncode == 0, done.stderr
    assert "pip install" in done.stdout


@pytest.mark.usefixtures("need_crypten")
def test_no_onnx_stand_in_stays_behind() -> None:
    done = run_python("""
import sys
from pibench.engines.crypten.compat import import_crypten
crypten = import_crypten()
assert import_crypten() is crypten is sys.modules["crypten"]
left = [name for name in sys.modules if name.split(".")[0] == "onnx"]
assert not left, left
from transformers import AutoTokenizer, BertModel
print(BertModel.__name__)
""")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "BertModel"
