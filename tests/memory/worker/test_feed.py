"""Changes reach the addresses that an administrator named: signed, in order, until they arrive."""

import base64
import hashlib
import hmac
import json
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from memory import Turn, open_store
from memory.cli.options import open_memory
from memory.errors import InputError
from memory.store.configuration.settings import set_setting
from memory.store.namespaces import existing
from memory.worker.addresses import ForbiddenAddress, address_of, is_public
from memory.worker.feed import SECRET_VARIABLE, read_secret, receivers
from memory.worker.run import Options, Worker
from tests.conftest import CAT, INSERT, MOVED
from tests.support.commands import run

BOTH_STORES = "slow"
KEY = b"k" * 24
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
INSIDE = [
    *("127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "100.64.0.1"),  # noqa: S104
    *("::1", "::ffff:10.0.0.1", "fe80::1", "64:ff9b::a00:1", "2002:a00:1::", "fd00::1"),
]
Message = tuple[dict[str, str], bytes]


@contextmanager
def receiving(
    statuses: list[int], certificate: tuple[Path, Path] | None = None, port: int = 0
) -> Iterator[tuple[str, list[Message]]]:
    """An address that answers with these statuses, then with 204, and what it was sent.

    With a certificate and its key it is https://localhost.
    """
    messages: list[Message] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            messages.append(({key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(statuses.pop(0) if statuses else 204)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    class Server(HTTPServer):
        def handle_error(self, *_: object) -> None: ...  # a client that trusts no certificate

    served = Server(("127.0.0.1", port), Handler)
    scheme, host = "http", "127.0.0.1"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        served.socket = context.wrap_socket(served.socket, server_side=True)
        scheme, host = "https", "localhost"
    threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"{scheme}://{host}:{served.server_port}/changes", messages
    finally:
        served.shutdown()
        served.server_close()


@pytest.fixture
def changed(home: str) -> None:
    """A memory of two changes."""
    with open_memory("anna", None, create=True) as store:
        store.add([Turn("Anna", f"line {number}") for number in range(3)])
        store.write(MOVED, "test")
        store.write(CAT, "test")


def send(url: str, private: bool = True) -> list[str]:
    """What a worker says that sends all there is."""
    lines: list[str] = []
    Worker(None, receivers([url], private), Options(once=True), lines.append).run()
    return lines


def test_changes_are_sent_once_in_order_and_signed(
    changed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    with receiving([]) as (url, messages):
        assert send(url) == [f"anna: 2 changes sent to {url}"]
        assert send(url) == []
        with open_store(existing("anna")) as store:
            store.undo(2)
        assert send(url) == [f"anna: 1 change sent to {url}"]

    contents: list[dict[str, Any]] = [json.loads(body) for _, body in messages]
    assert [content["change"]["id"] for content in contents] == [1, 2, 3]
    assert contents[0]["change"]["edits"][0]["after"]["value"] == "Oslo"
    headers, body = messages[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"


def test_a_change_that_is_not_taken_holds_the_later_ones_back(
    changed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    monkeypatch.setattr("memory.worker.run.delay_after", lambda failures: 0.0)
    with receiving([204, 500]) as (url, messages):
        lines = send(url)
        assert any("answered 500" in line for line in lines)
        while len(messages) < 3:
            send(url)
    ids = [headers["webhook-id"] for headers, _ in messages]
    assert [name.rpartition("_")[2] for name in ids] == ["1", "2", "2"]


@contextmanager
def dripping(head: bytes) -> Iterator[tuple[str, threading.Event]]:
    """An address that answers byte by byte without an end, and whether it was asked."""
    ended, asked = threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.wfile.write(head)
            asked.set()
            while not ended.wait(0.01):
                with suppress(OSError):
                    self.wfile.write(b"a")

        def log_message(self, *_: object) -> None: ...

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{served.server_port}/changes", asked
    finally:
        ended.set()
        served.shutdown()
        served.server_close()


@pytest.mark.slow
def test_a_receiver_that_answers_byte_by_byte_has_one_deadline(
    changed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    monkeypatch.setattr("memory.worker.feed._SECONDS", 0.3)
    with dripping(b"HTTP/1.1 204 Fine\r\nx: ") as (url, _):  # its head never ends
        assert "not answered within 0 s" in send(url)[0]
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n") as (url, _):  # its body never does, and is not read
        assert send(url) == [f"anna: 2 changes sent to {url}"]


def test_forgetting_does_not_wait_for_a_slow_receiver(
    changed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    for name in ("ben", "cleo"):
        with open_memory(name, None, create=True) as store:
            store.add([Turn("Ben", "Hi.", said_at="2017-05-08")])
            store.write(f"{INSERT}('Ben', 'says', 'Hi', NULL, 1)", "test")
    lines: list[str] = []
    forgotten = threading.Event()

    def report(line: str) -> None:
        lines.append(line)
        if line.startswith("cleo: ") and "sent" not in line:
            forgotten.set()

    with dripping(b"HTTP/1.1 204 Fine\r\nx: ") as (url, asked):
        worker = Worker(None, receivers([url], True), Options(concurrency=1, poll=0.05), report)
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            assert asked.wait(20)
            with open_store(existing("cleo")) as store:
                set_setting(store, "retention_keeps_facts", False)
                set_setting(store, "retention_days", 1)
            assert forgotten.wait(6), lines  # a message has eight seconds
        finally:
            worker.stop()
    thread.join(20)


def test_nothing_is_sent_into_the_network(changed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    with receiving([]) as (url, messages):
        lines = send(url.replace("http:", "https:"), private=False)
        assert messages == []
    assert any("inside the network; --feed-private allows it" in line for line in lines)


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_of_a_network_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(ForbiddenAddress):
        address_of(address, 443, private=False)


def test_what_cannot_be_a_receiver_is_refused(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_public(ip_address("8.8.8.8"))
    run("serve", "worker", "--feed", "https://example.org", says=f"set {SECRET_VARIABLE}")
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    for url, reason in (
        ("http://example.org", "write https://"),
        ("example.org", "write https://HOST/PATH"),
        ("https://me:word@example.org", "without a password"),
    ):
        run("serve", "worker", "--feed", url, says=reason)
    with pytest.raises(InputError, match="24 random bytes"):
        read_secret("whsec_!")


# --- TLS ----------------------------------------------------------------------------------------


def certificate(folder: Path, name: str, host: str) -> tuple[Path, Path]:
    """A certificate of a host that signs itself, and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    line += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={host}",
        "-addext",
        f"subjectAltName=DNS:{host}",
    ]
    subprocess.run([*line, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def localhost(tmp_path: Path) -> tuple[Path, Path]:
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    return certificate(tmp_path, "right", "localhost")


def test_changes_are_sent_over_tls_to_a_certificate_that_is_trusted(
    changed: None, monkeypatch: pytest.MonkeyPatch, localhost: tuple[Path, Path]
) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    monkeypatch.setenv("SSL_CERT_FILE", str(localhost[0]))
    with receiving([], localhost) as (url, messages):
        assert url.startswith("https://localhost:")
        assert send(url) == [f"anna: 2 changes sent to {url}"]
    assert [json.loads(body)["change"]["id"] for _, body in messages] == [1, 2]


@pytest.mark.few(1)
@pytest.mark.parametrize("case", ["nobody trusts it", "of another host"])
def test_a_wrong_certificate_is_refused_said_and_tried_again(
    changed: None,
    monkeypatch: pytest.MonkeyPatch,
    localhost: tuple[Path, Path],
    tmp_path: Path,
    case: str,
) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    monkeypatch.setattr("memory.worker.run.delay_after", lambda failures: 0.3)
    other = certificate(tmp_path, "other", "example.org")
    shown, trusted = (localhost, other) if case == "nobody trusts it" else (other, other)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted[0]))
    with receiving([], shown) as (url, messages):
        [line, *_] = send(url)
        assert "CERTIFICATE_VERIFY_FAILED" in line
        assert "again in" in line
        assert messages == []
        assert "CERTIFICATE_VERIFY_FAILED" in run("serve", "worker", "--failed")
    # The right one, at last.
    monkeypatch.setenv("SSL_CERT_FILE", str(localhost[0]))
    with receiving([], localhost, port=int(url.split(":")[2].split("/")[0])) as (url, messages):
        while not (lines := send(url)):
            time.sleep(0.1)
        assert lines == [f"anna: 2 changes sent to {url}"]
    assert len(messages) == 2
