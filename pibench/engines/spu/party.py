"""One party's process: joins the others, and runs programs on its shares."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pibench.net.processes import serve

Share = tuple[bytes, list[bytes]]
"""Meta data and chunks of one party's share of a value."""


@dataclass(frozen=True)
class View:
    """What one party has after a run: its shares of the outputs, the seconds it took, and what it logged."""

    outputs: list[Share]
    seconds: float
    log: str


def main(rank: int, addresses: Sequence[str], runtime: str, log: Path, deadline: float, connection: Connection) -> None:
    """Join the parties at ``addresses`` and run programs until the launcher ends; SPU logs to the file ``log``."""
    serve(SpuParty(rank, addresses, runtime, log, deadline), connection)


class SpuParty:
    """SPU's runtime in one process."""

    def __init__(self, rank: int, addresses: Sequence[str], runtime: str, log: Path, deadline: float) -> None:
        from spu import libspu
        from spu.api import Runtime

        options = libspu.logging.LogOptions()
        options.enable_console_logger, options.system_log_path = False, str(log)
        libspu.logging.setup_logging(options)
        description = libspu.link.Desc()
        for index, address in enumerate(addresses):
            description.add_party(f"party{index}", address)
        description.recv_timeout_ms = description.http_timeout_ms = int(1000 * deadline)
        config = libspu.RuntimeConfig()
        config.ParseFromJsonString(runtime)
        self._link = libspu.link.create_brpc(description, rank)
        self._runtime = Runtime(self._link, config)
        self._log, self._read = log, 0

    def run(self, code: bytes, inputs: dict[str, Share], outputs: Sequence[str]) -> View:
        """Run a program once; only the run itself is timed."""
        from spu import libspu

        executable = libspu.Executable()
        executable.ParseFromString(code)
        for name, value in inputs.items():
            self._runtime.set_var(name, _share(value))
        self._link.barrier()
        start = time.perf_counter()
        self._runtime.run(executable)
        seconds = time.perf_counter() - start
        found = [self._runtime.get_var(name) for name in outputs]
        for name in (*inputs, *outputs):
            self._runtime.del_var(name)
        return View([(share.meta, list(share.share_chunks)) for share in found], seconds, self._new_lines())

    def _new_lines(self) -> str:
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        new, self._read = text[self._read :], len(text)
        return new


def _share(value: Share) -> Any:
    from spu import libspu

    share = libspu.Share()
    share.meta, share.share_chunks = value
    return share
