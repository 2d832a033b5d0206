"""Two parties that meet over TLS, and everybody else, who is turned away."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trustme

from pibench.cli import main as command
from pibench.engines.crypten.engine import Crypten
from pibench.engines.engine import Session
from pibench.engines.lean.ledger import predict
from pibench.engines.lean.remote import Listener, RemoteParties, follow, parse_address
from pibench.errors import InputError
from pibench.measure.cost import checked
from pibench.measure.provenance import machine
from pibench.model.floats import TorchInterpreter
from pibench.model.forward import forward
from pibench.net.emulation import available, emulated_link
from pibench.net.processes import PartyFailed, PartyTimeout, free_port
from pibench.net.profiles import NETWORKS
from pibench.net.tls import PeerGone, PeerRefused, shake_hands, tls_context
from pibench.results.records import read_all
from tests.conftest import MakeModel

mpc = pytest.mark.mpc
Folders = tuple[Path, Path]
EMBEDDED = np.random.default_rng(0).normal(size=(2, 7, 16)).astype(np.float32)
KEEP = np.array([[1] * 7, [1] * 4 + [0] * 3])


def certify(folder: Path, authority: trustme.CA, name: str) -> Path:
    folder.mkdir()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own = authority.issue_cert(name)
    own.private_key_pem.write_to_path(folder / "key.pem")
    own.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root, authority = tmp_path_factory.mktemp("certificates"), trustme.CA()
    return certify(root / "0", authority, "party-0"), certify(root / "1", authority, "party-1")


def meet(folders: Folders, greetings: tuple[dict[str, Any], dict[str, Any]] = ({}, {})) -> list[Any]:
    """Let both sides shake hands; return each one's greeting from the other, or its refusal."""
    ends = socket.socketpair()

    def side(rank: int) -> Any:
        try:
            peer, theirs = shake_hands(ends[rank], rank, tls_context(rank, folders[rank]), greetings[rank], 5)
        except InputError as error:
            return error
        peer.close()
        return theirs

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(side, (0, 1)))


def test_both_sides_learn_the_other_s_greeting(folders: Folders) -> None:
    at_server, at_client = meet(folders, ({"session": "a"}, {"machine": "b"}))
    assert (at_server["machine"], at_client["session"]) == ("b", "a")


def test_another_authority_s_certificate_is_refused(folders: Folders, tmp_path: Path) -> None:
    stranger = certify(tmp_path / "stranger", trustme.CA(), "party-1")
    at_server, at_client = meet((folders[0], stranger))
    assert isinstance(at_server, PeerRefused) and isinstance(at_client, PeerRefused)
    assert "its certificate was refused" in str(at_client)


def test_a_client_of_another_authority_is_refused(folders: Folders, tmp_path: Path) -> None:
    """It trusts the right authority itself, so that the server alone can notice."""
    stranger = certify(tmp_path / "stranger", trustme.CA(), "party-1")
    (stranger / "ca.pem").write_bytes((folders[0] / "ca.pem").read_bytes())
    at_server, at_client = meet((folders[0], stranger))
    assert isinstance(at_server, PeerRefused) and isinstance(at_client, PeerRefused)
    assert "its certificate was refused" in str(at_server)


@pytest.mark.parametrize("both", [0, 1])
def test_one_party_s_certificate_does_not_make_the_other(folders: Folders, both: int) -> None:
    at_server, at_client = meet((folders[both], folders[both]))
    assert isinstance(at_server, PeerRefused) and isinstance(at_client, PeerRefused)


def test_another_version_is_refused_by_name(folders: Folders) -> None:
    at_server, at_client = meet(folders, ({}, {"version": "0.0.9"}))
    assert str(at_server).startswith("party-1 runs pibench 0.0.9, this party ")
    assert isinstance(at_server, PeerRefused)
    assert isinstance(at_client, dict)  # it hears of it by the connection's end


@pytest.mark.parametrize("words", [b"GET / HTTP/1.0\r\n\r\n", b"\0" * 64, b""])
def test_plain_text_is_turned_away_at_either_side(folders: Folders, words: bytes) -> None:
    for rank in (0, 1):
        own, other = socket.socketpair()
        with other, pytest.raises((PeerRefused, PeerGone)):
            other.sendall(words)
            other.shutdown(socket.SHUT_WR)
            shake_hands(own, rank, tls_context(rank, folders[rank]), {}, 5)


def test_silence_has_an_end(folders: Folders) -> None:
    own, other = socket.socketpair()
    with other, pytest.raises(PeerRefused, match="timed out"):
        shake_hands(own, 0, tls_context(0, folders[0]), {}, 0.2)


def test_certificates_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^cannot use the certificates in {tmp_path} \(No such file.*ca.pem, cert"):
        tls_context(0, tmp_path)


@pytest.mark.parametrize("text", ["", "host", "host:", ":7", "host:0", "host:65536", "host:seven", "host:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="give HOST:PORT"):
        parse_address(text)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def listener(folders: Folders, told: list[str]) -> Iterator[Listener]:
    own = Listener(("127.0.0.1", free_port(None)), folders[0], told.append)
    yield own
    own.close()


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start_client(listener: Listener, folders: Folders) -> Iterator[Start]:
    """Return what runs ``pibench party --rank 1`` against the listener; it is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(certificates: Path = folders[1]) -> subprocess.Popen[str]:
        program = "import sys; from pibench.cli.main import main; sys.exit(main())"
        host, port = listener.address
        options = ["party", "--rank", "1", "--connect", f"{host}:{port}", "--certificates", str(certificates)]
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", program, *options, "--wait", "5"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@mpc
def test_two_processes_compute_over_tls_what_the_floats_do(
    listener: Listener, start_client: Start, make_model: MakeModel
) -> None:
    model, client = make_model(), start_client()
    inputs = torch.from_numpy(EMBEDDED), torch.from_numpy(KEEP).float()
    expected = forward(TorchInterpreter(), model.architecture, model.weights(), *inputs).logits.detach().numpy()
    for _ in range(2):  # the client comes back for a second session
        with RemoteParties(Session(deadline=60), listener) as running:
            running.load("model", model)
            seen = running.infer("model", EMBEDDED, KEEP, audit=True)
        np.testing.assert_allclose(seen.logits, expected, atol=0.02)
        assert checked(seen, predict(model.architecture, *EMBEDDED.shape[:2]).prediction()).wraps == 0
    assert running.peer == machine()
    listener.close()
    output, errors = client.communicate(timeout=60)
    assert client.returncode == 0, errors
    assert "2 sessions served" in output


def test_crypten_runs_on_one_machine(need_crypten: None) -> None:
    with pytest.raises(InputError, match="leave --listen out"):
        Crypten().check(Session(listen="192.0.2.7:7000"))


@mpc
def test_a_client_that_is_gone_is_named(listener: Listener, start_client: Start, make_model: MakeModel) -> None:
    client = start_client()
    with RemoteParties(Session(deadline=60), listener) as running:
        running.load("model", make_model())
        subprocess.run(["pkill", "-9", "-P", str(client.pid)], check=True)
        with pytest.raises(PartyFailed, match=r"^party 1 \(client\) failed: (closed its|cannot be)"):
            running.infer("model", EMBEDDED, KEEP)
    assert not any(process.is_alive() for process in running.processes)
    with RemoteParties(Session(deadline=60), listener) as running:  # its next session
        running.load("model", make_model())


def test_a_stranger_is_told_apart_and_the_party_still_awaited(
    listener: Listener, start_client: Start, told: list[str], tmp_path: Path
) -> None:
    client = start_client(certify(tmp_path / "stranger", trustme.CA(), "party-1"))
    with socket.create_connection(listener.address) as scanner:
        scanner.sendall(b"GET / HTTP/1.0\r\n\r\n")
    with pytest.raises(PartyTimeout, match="did not connect"):
        listener.accept(deadline=15)
    assert len(told) == 2
    assert all(line.startswith("turned away 127.0.0.1: ") for line in told)
    _, errors = client.communicate(timeout=30)
    assert client.returncode == 2
    assert errors.count("\n") == 1 and "its certificate was refused" in errors


def test_garbage_after_the_handshake_ends_the_session_in_one_sentence(folders: Folders, told: list[str]) -> None:
    """A party 0 with good certificates that sends no commands."""
    address = "127.0.0.1", free_port(None)
    listener = Listener(address, folders[0], told.append)

    def serve() -> None:
        commands, shares, session = listener.accept(10)
        peer, _ = shake_hands(shares, 0, tls_context(0, folders[0]), {"session": session}, 5)
        with peer, contextlib.closing(commands):
            peer.sendall(bytes(8))  # the dealer's seed
            commands.recv()
            commands.peer.sendall((64).to_bytes(8, "big") + b"\x80" * 64)

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(InputError, match="an invalid message"):
        follow(address, folders[1], 10, machine())
    thread.join()
    listener.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rank", "0", "--connect", "a:1"], "party 0 needs --listen HOST:PORT"),
        (["--rank", "1"], "party 1 needs --connect HOST:PORT"),
        (["--rank", "1", "--connect", "a:1", "--tasks", "sst2"], "no option --tasks"),
        (["--rank", "1", "--connect", "a"], "'a' is not an address"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["party", *options, "--certificates", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_nothing_older_than_tls_1_3_is_spoken(folders: Folders) -> None:
    assert {tls_context(rank, folders[rank]).minimum_version for rank in (0, 1)} == {ssl.TLSVersion.TLSv1_3}


@mpc
@pytest.mark.skipif(bool(available()), reason=str(available()))
def test_the_two_commands_run_a_cell_between_two_network_namespaces(folders: Folders, tmp_path: Path) -> None:
    program = "import sys; from pibench.net.emulation import enter_namespace; enter_namespace(sys.argv.pop(1)); "
    program += "from pibench.cli.main import main; sys.exit(main())"

    def party(namespace: str, *options: str) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", program, namespace, "party", *options]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    with emulated_link(NETWORKS["lan"]) as ends:
        address = f"{ends[0].address}:7000"
        own = ["--rank", "0", "--listen", address, "--certificates", str(folders[0]), "--output", str(tmp_path)]
        cell = [
            "--data",
            "sample",
            "--seq-len",
            "8",
            "--methods",
            "dense",
            "--mpc-examples",
            "2",
            "-k",
            "communication",
        ]
        server = party(ends[0].namespace, *own, *cell)
        client = party(ends[1].namespace, "--rank", "1", "--connect", address, "--certificates", str(folders[1]))
        said = [process.communicate(timeout=300)[0] for process in (server, client)]
    assert (server.returncode, client.returncode) == (0, 0), said
    (record,) = read_all(tmp_path / "records")
    assert record["status"] == "ok"
    assert record["environment"]["peer"] == machine()
