"""Arbor's server for its client: checkpoints fetched whole, strangers told from friends."""

import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from locomo.weights.arbor_client import CheckpointLost, Server, Timeouts
from memory import InputError
from tests.support.arbor_server import JOB, ArborServer, Fault, arbor_server

TOKEN = "sesame-open-1234"
MODEL = "Qwen/Qwen2.5-3B"


def client(server: ArborServer, seconds: float = 30.0) -> Server:
    timeouts = Timeouts(status=seconds, checkpoint=seconds, retries=2, retry_pause=0.01)
    return Server(server.url, TOKEN, timeouts)


def train_one(server: ArborServer) -> None:
    """A job with one checkpoint."""
    server.status, server.checkpoints["one"] = "running", 1


# --- checkpoints on this disk -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        "lost",
        "truncated",
        "unmeasured",
        "broken",
        "unsafe",
        "link",
        "500",
        "drop",
        "silent",
        "garbage",
    ],
)
def test_a_download_that_fails_leaves_what_was_there(fault: str, tmp_path: Path) -> None:
    folder = tmp_path / "kept" / "best"
    with arbor_server(misbehave={"download": Fault(fault, after=1)}) as server:
        train_one(server)
        assert client(server).download(JOB, "one", folder) == folder
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        server.adapter["adapter_config.json"] = b"{}"
        since = time.monotonic()
        with pytest.raises(CheckpointLost, match="checkpoint one"):
            client(server, seconds=0.3).download(JOB, "one", folder)
        assert time.monotonic() - since < 60  # a hang is found, a busy machine is none
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.rglob("*.txt")] == ["step.txt"]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_new_download_takes_the_place_of_the_old(tmp_path: Path) -> None:
    folder = tmp_path / "best"
    with arbor_server() as server:
        train_one(server)
        client(server).download(JOB, "one", folder)
        server.adapter = {"adapter_config.json": b"{}"}
        client(server).download(JOB, "one", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["adapter_config.json", "step.txt"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_checkpoint_without_an_adapter_is_lost(tmp_path: Path) -> None:
    with arbor_server(adapter={}) as server:
        train_one(server)
        with pytest.raises(CheckpointLost, match=r"no adapter_config\.json"):
            client(server).download(JOB, "one", tmp_path / "best")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with arbor_server() as server:
        train_one(server)
        with pytest.raises(InputError, match=r"cannot write .*file/best"):
            client(server).download(JOB, "one", tmp_path / "file" / "best")


# --- what the server is -----------------------------------------------------------------------


def test_a_server_describes_itself_and_its_models() -> None:
    with arbor_server(token=TOKEN) as server:
        about = client(server).describe()
        assert (about.arbor, about.split.training) == ("0.2.17", [1, 2])
        assert client(server).model(MODEL).context == 32_768
        with pytest.raises(InputError, match="has no model Qwen/none"):
            client(server).model("Qwen/none")
        train_one(server)
        server.groups = [(0, []), (1, [])]
        assert [one["step"] for one in client(server).metrics(JOB, 1)] == [2.0]


def test_a_plain_arbor_is_told_from_ours() -> None:
    with (
        arbor_server(plain=True) as server,
        pytest.raises(InputError, match=r"without arbor/serve\.py"),
    ):
        client(server).describe()


def test_another_kind_of_server_is_told_from_arbor() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as other:
        threading.Thread(target=other.serve_forever, args=(0.02,), daemon=True).start()
        with pytest.raises(InputError, match="another kind of server"):
            Server(f"http://127.0.0.1:{other.server_port}/v1").describe()
        other.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


def test_a_wrong_token_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARBOR_TOKEN", "wrong-9876")
    with arbor_server(token=TOKEN) as server:
        asked = Server(server.url)
        with pytest.raises(InputError, match="set ARBOR_TOKEN") as caught:
            asked.close_job(JOB)
    assert asked.token == "wrong-9876"
    assert "wrong-9876" not in f"{caught.value} {asked!r}"


@pytest.mark.parametrize("address", ["a:1", "ftp://a", "http://", f"http://me:{TOKEN}@a:1/v1/"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="not the address of a server") as caught:
        Server(address)
    assert TOKEN not in str(caught.value)
