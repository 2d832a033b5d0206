"""Faults of the machine: its disk, its memory, its clock, its ports; some need root, or faketime."""

from __future__ import annotations

import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from benchmarks.studies.reliability.party_faults import Fault, judged
from pibench.testing.runs import TRACEBACK, Outcome, bench, found, lost

_FAKETIME = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")
_GREEDY = """
import torch
from baselines.dense import Dense
from dataclasses import replace

class Greedy(Dense):
    info = replace(Dense.info, name="greedy")
    def compress(self, dense, data, budget, variant):
        return torch.empty(2**50)
"""


@contextmanager
def _small_disk(folder: Path, kilobytes: int) -> Iterator[Callable[[str], None]]:
    """Mount a disk at ``folder``; return a function that remounts it with other options."""
    folder.mkdir()
    mount = lambda options: subprocess.run(  # noqa: E731
        ["mount", "-t", "tmpfs", "-o", options, "pibench", str(folder)], check=True, capture_output=True
    )
    mount(f"size={kilobytes}k")
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def _ends_and_resumes(folder: Path, backbone: Path, repair: Callable[[], None], words: str) -> Outcome:
    """A run whose disk fails ends with one sentence; resumed after the repair, it does only the rest."""
    run = bench(folder, backbone)
    status, orphans = run.end(), run.orphans()
    errors = [line for line in run.said.splitlines() if "error: cannot write" in line]
    before = found(folder)
    repair()
    again = bench(folder, backbone, "--resume")
    resumed = again.end()
    survived = status == 2 and resumed == 0 and len(errors) > 0 and words in errors[0]
    saw = errors[0].strip("! ") if errors else run.said[-200:]
    tracebacks = run.said.count(TRACEBACK) + again.said.count(TRACEBACK)
    return Outcome(
        survived, saw.replace(str(folder), "…"), orphans + again.orphans(), tracebacks, lost(before, found(folder))
    )


def full_disk(folder: Path, backbone: Path, draw: random.Random) -> Outcome:
    """Leave room for a few records."""
    with _small_disk(folder / "out", draw.choice([8, 12, 16, 20])) as remount:
        return _ends_and_resumes(folder, backbone, lambda: remount("size=10m"), "No space left on device")


def read_only_folder(folder: Path, backbone: Path, draw: random.Random) -> Outcome:
    """Turn the folder of records read-only once there is one."""
    with _small_disk(folder / "out", 10_000) as remount:
        count = draw.randrange(1, 4)

        def strike() -> None:
            while len(list((folder / "out").rglob("*.json"))) < count:
                time.sleep(0.02)
            while True:  # a file that is open for writing keeps it busy
                try:
                    return remount("ro")
                except subprocess.CalledProcessError:
                    time.sleep(0.01)

        thread = threading.Thread(target=strike, daemon=True)
        thread.start()
        return _ends_and_resumes(folder, backbone, lambda: remount("rw"), "Read-only file system")


def busy_port(folder: Path, backbone: Path, draw: random.Random) -> Outcome:
    """Occupy the port, then leave it to the parties, twice."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = f"--port={other.getsockname()[1]}"
        refused = bench(folder, backbone, port)
        status, orphans = refused.end(), refused.orphans()
    said = [line for line in refused.said.splitlines() if "is busy or invalid" in line]
    runs = [bench(folder, backbone, port)]
    finished = [runs[0].end()]
    runs.append(bench(folder, backbone, port, "-k", "communication"))
    finished.append(runs[1].end())
    survived = status == 4 and len(said) == 1 and finished == [0, 0]
    tracebacks = sum(run.said.count(TRACEBACK) for run in (refused, *runs))
    saw = said[0] if said else refused.said[-200:]
    return Outcome(survived, saw, orphans + sum(run.orphans() for run in runs), tracebacks)


def clock_jump(folder: Path, backbone: Path, draw: random.Random) -> Outcome:
    """Set the wall clock a day ahead, back, a day behind, and so on, several times a second."""
    (library,) = _faketime()
    clock = folder / "clock"
    clock.write_text("+0")
    own = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    run = bench(folder, backbone, environment=own | {"DONT_FAKE_MONOTONIC": "1"})
    for offset in cycle(["+1d", "+0", "-1d", "+0"]):
        if run.process.poll() is not None:
            break
        clock.write_text(offset)
        time.sleep(draw.uniform(0.05, 0.3))
    return judged(run, folder, 0)


def greedy_method(folder: Path, backbone: Path, draw: random.Random) -> Outcome:
    """Let a plugin ask for more memory than there is: its cells fail, and all others finish."""
    (folder / "greedy.py").write_text(_GREEDY)
    information = folder / "greedy-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: greedy\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[pibench.methods]\ngreedy = greedy:Greedy\n")
    methods = ["dense", "greedy", "puma"]
    draw.shuffle(methods)
    run = bench(folder, backbone, f"--methods={','.join(methods)}", environment={"PYTHONPATH": str(folder)})
    return judged(run, folder, 2, 1)


def _faketime() -> list[Path]:
    return [path for pattern in _FAKETIME for path in Path("/").glob(pattern[1:])][:1]


def _mounts(folder: Path) -> bool:
    try:
        with _small_disk(folder / "mounted", 100):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def machine_faults(folder: Path) -> tuple[dict[str, Fault], list[str]]:
    """Return the faults that can be injected here, and one sentence for each that cannot, as tried in ``folder``."""
    faults: dict[str, Fault] = {"busy port": busy_port, "a method out of memory": greedy_method}
    missing = []
    if _mounts(folder):
        faults |= {"full disk": full_disk, "folder turned read-only": read_only_folder}
    else:
        missing.append("Full disk and read-only folder need root, to mount a disk.")
    if _faketime():
        faults["clock jumps by a day"] = clock_jump
    else:
        missing.append("Clock jumps need Debian's package faketime.")
    return faults, missing
