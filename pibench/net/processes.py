"""Party processes on this machine: starts them, exchanges messages, and names the one that failed.

They are spawned, not forked; every answer has a deadline. A party that dies, raises or hangs is a :class:`PartyFailed`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from pibench.errors import InputError
from pibench.plugins import located

_GRACE = 2.0
"""Seconds in which a party's death may explain another one's broken connection."""
_SILENT = "closed its connection"
_UNGUARDED = 75
"""Exit status of a process that was about to start parties while it imported the script that started it."""
Main = Callable[[Connection], None]
"""The main function of a party: report that it is ready, then answer on a connection until the launcher closes it."""


class PartyFailed(RuntimeError):
    """A party crashed, raised or missed its deadline; the message names it and says how."""


class PartyTimeout(PartyFailed):
    """A party gave no answer before the deadline."""


@dataclass(frozen=True)
class Failure:
    """A party's failure report: when it failed (``time.monotonic``), and what happened."""

    when: float
    what: str


class Processes:
    """Parties by name, one process each; ``deadline`` is the longest wait for any one answer, in seconds."""

    def __init__(self, names: Sequence[str], deadline: float) -> None:
        self.names, self.deadline = tuple(names), deadline
        self.processes: list[SpawnProcess] = []
        self._connections: list[Any] = []

    def start(self, mains: Sequence[Main], elsewhere: Sequence[Any] = ()) -> None:
        """Run each party's main in a separate process, and wait until all are ready.

        Parties ``elsewhere``, the last ones by rank, already run: they are connections with the methods of
        multiprocessing's (send, recv, close and fileno).

        Raises:
            PartyFailed: one did not start; the others are killed.
        """
        for main in mains:
            own, theirs = multiprocessing.Pipe()
            self.processes.append(spawn(_live, main, theirs))
            theirs.close()
            self._connections.append(own)
        self._connections += elsewhere
        try:
            self._answers()
        except BaseException:
            self.kill()
            raise

    def call(self, messages: Sequence[Any]) -> list[Any]:
        """Send each party its message, and return their answers in order.

        Raises:
            PartyFailed: a party cannot be reached, died, raised or gave no answer.
        """
        for rank, (connection, message) in enumerate(zip(self._connections, messages, strict=True)):
            try:
                connection.send(message)
            except OSError as error:
                raise self._blame({rank: Failure(time.monotonic(), "cannot be reached")}) from error
        return self._answers()

    def kill(self) -> None:
        """End all processes."""
        for process in self.processes:
            if process.is_alive():
                process.kill()
            process.join()
        for connection in self._connections:
            connection.close()

    def _answers(self) -> list[Any]:
        answers: dict[int, Any] = {}
        end = time.monotonic() + self.deadline
        while len(answers) < len(self.names):
            waiting = [rank for rank in range(len(self.names)) if rank not in answers]
            ready = wait([self._connections[rank] for rank in waiting], max(0.0, end - time.monotonic()))
            if not ready:
                break
            for rank in waiting:
                if self._connections[rank] in ready:
                    answers[rank] = self._receive(rank)
                    if isinstance(answers[rank], Failure):
                        end = min(end, time.monotonic() + _GRACE)
        failures = {rank: answer for rank, answer in answers.items() if isinstance(answer, Failure)}
        if failures:
            raise self._blame(failures)
        if late := [name for rank, name in enumerate(self.names) if rank not in answers]:
            raise PartyTimeout(f"{', '.join(late)} gave no answer within {self.deadline:g} s")
        return [answers[rank] for rank in range(len(self.names))]

    def _receive(self, rank: int) -> Any:
        try:
            return self._connections[rank].recv()
        except InputError as error:
            return Failure(time.monotonic(), str(error))
        except (EOFError, OSError):
            return Failure(time.monotonic(), _SILENT)

    def _blame(self, failures: dict[int, Failure]) -> PartyFailed:
        """Name a party that was killed, else one that did not answer, else the first to fail, which caused the rest."""
        for rank, process in enumerate(self.processes):
            process.join(_GRACE)
            if process.exitcode == _UNGUARDED:
                return PartyFailed(
                    "a script that starts parties must do so under `if __name__ == '__main__':`, because each party "
                    "imports the script"
                )
            if process.exitcode is not None and process.exitcode < 0:
                return PartyFailed(f"{self.names[rank]} was killed by signal {-process.exitcode}")
        first = min(failures, key=lambda rank: (failures[rank].what != _SILENT, failures[rank].when))
        return PartyFailed(f"{self.names[first]} failed: {failures[first].what}")


def serve(party: Any, connection: Connection) -> None:
    """Report that the party is ready, then call the methods that commands name, until the connection is closed."""
    connection.send(None)
    while True:
        try:
            name, arguments = connection.recv()
        except EOFError:
            return
        connection.send(getattr(party, name)(*arguments))


def spawn(target: Callable[..., None], *arguments: Any) -> SpawnProcess:
    """Start a process that ignores Ctrl-C, which this process handles.

    A party imports the launcher's script; if that starts parties again, the party ends at once.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # the script is still being imported
        os._exit(_UNGUARDED)
    resource_tracker.ensure_running()  # starting the resource tracker would lift the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process = multiprocessing.get_context("spawn").Process(target=target, args=arguments, daemon=True)
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def end_with_launcher() -> None:
    """From now on, end this process when its parent ends, even while it waits."""
    threading.Thread(target=_end_after, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_after(launcher: Any) -> None:
    launcher.join()
    os._exit(1)


def _live(main: Main, connection: Connection) -> None:
    """Run a party, and report a failure only to the launcher."""
    try:
        end_with_launcher()
        main(connection)
    except BaseException as error:
        with suppress(OSError):
            connection.send(Failure(time.monotonic(), located(error)))
        os._exit(1)  # a broken object would fail again when the interpreter shuts down


def free_port(port: int | None) -> int:
    """Return ``port``, or any free one.

    Raises:
        InputError: it is busy or invalid.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port or 0))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"port {port} on 127.0.0.1 is busy or invalid; choose another one or leave it out"
            ) from error
        return probe.getsockname()[1]
