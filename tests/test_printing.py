"""What commands print reaches any terminal, or ends in one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pibench.cli import compress, interrupt
from pibench.cli import main as command
from pibench.testing.models import save_checkpoint, tiny_bert


def pibench(*arguments: str, to: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    with Path(to or os.devnull).open("w") as sink:
        return subprocess.run(
            [sys.executable, "-m", "pibench", *arguments],
            stdout=sink if to else subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | environment,
            text=True,
            check=False,
        )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_character_that_the_terminal_lacks_becomes_a_question_mark(encoding: str) -> None:
    done = pibench("list", "networks", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert "| loopback   |        ? |" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_nobody_can_take_is_one_sentence() -> None:
    done = pibench("list", "tasks", to="/dev/full")
    assert done.returncode == 1
    assert "cannot write the output (No space left on device)" in done.stderr and done.stderr.count("\n") == 1


def test_an_interrupted_command_advises_only_what_it_can_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = save_checkpoint(tiny_bert(), tmp_path / "backbone")

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compress, "served", interrupted)
    assert command.main(["compress", "--backbone", str(backbone), "--save", "saved"]) == 128 + signal.SIGINT
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "pibench: interrupted: trained models are kept, run the same command again"


def test_an_interrupt_while_libraries_load_is_the_command_s_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for name, words in (
            ("run", "run again with --resume"),
            ("compress", "same command"),
            ("list", "interrupted\n"),
        ):
            interrupt.watch(name)
            with pytest.raises(SystemExit, match="130"):
                signal.raise_signal(signal.SIGINT)
            assert words in capsys.readouterr().err
            interrupt.leave()
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
