"""`memory setup --model NAME`: fetched from a hub, resumed, checked, remembered, used offline."""

import hashlib
import json
import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from memory import InputError
from memory.models.gguf import download
from memory.models.gguf.models import MODELS
from tests.support.gguf_files import CHAT_MODEL, write_gguf
from tests.support.hub_server import Hosted, Hub, hub_server

MODEL = MODELS["qwen2.5-0.5b"]
URL = f"/{MODEL.repository}/resolve/main/{MODEL.file}"
MEGABYTES = 1_000_000
QUESTION = "What does Anna like about Oslo?"  # which no template answers


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A chat model of 24 megabytes of zeros: more than two pieces of a download."""
    file = write_gguf(tmp_path_factory.mktemp("hub") / "m.gguf", CHAT_MODEL, 6 * MEGABYTES)
    return file.read_bytes()


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_server() as hub:
        yield hub


def environment(home: Path, hub: Hub) -> dict[str, str]:
    return {
        **os.environ,
        "MEMORY_HOME": str(home / "memories"),
        "HF_HOME": str(home / "hub"),
        "HF_ENDPOINT": hub.address,
        "NO_PROXY": "127.0.0.1",
    }


def command(hub: Hub, *arguments: str) -> list[str]:
    """The command line, which knows the hub's file as the one of MODEL."""
    hosted = hub.files.get(URL, Hosted(b""))
    sha256 = hashlib.sha256(hosted.body).hexdigest()
    return ["-m", "tests.support.pinned_memory", MODEL.name, sha256, *arguments]


def memory(home: Path, hub: Hub, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command(hub, *arguments)],
        env=environment(home, hub),
        capture_output=True,
        text=True,
        check=False,
    )


def setup(home: Path, hub: Hub) -> "subprocess.CompletedProcess[str]":
    return memory(home, hub, "setup", "--model", MODEL.name, "--yes")


def refusal(done: "subprocess.CompletedProcess[str]") -> str:
    """The last line of a command that was refused, which is all that it says of the error."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_model_is_fetched_once_checked_and_remembered(
    tmp_path: Path, hub: Hub, content: bytes
) -> None:
    hub.files[URL] = Hosted(content)
    done = setup(tmp_path, hub)
    assert done.returncode == 0, done.stderr
    assert "0.5 GB, licence: Apache 2.0" in done.stdout
    assert "gguf:qwen2.5-0.5b is the model of all commands that name none" in done.stdout
    chosen = json.loads((tmp_path / "memories" / "default-model.json").read_text())
    assert chosen == {"model": "gguf:qwen2.5-0.5b"}

    # Offline afterwards: neither the command nor the model asks the hub again.
    asked = len(hub.requests)
    assert setup(tmp_path, hub).returncode == 0
    memory(tmp_path, hub, "add", "I moved to Oslo.", "--speaker", "Anna")
    done = memory(tmp_path, hub, "ask", QUESTION)
    # The default model is what was fetched: zeros, which llama.cpp cannot run.
    assert "llama.cpp cannot run" in refusal(done)
    assert MODEL.file in refusal(done)
    assert len(hub.requests) == asked


@pytest.mark.slow
def test_a_download_that_broke_off_goes_on_where_it_ended(
    tmp_path: Path, hub: Hub, content: bytes
) -> None:
    hub.files[URL] = Hosted(content, cut_after=15 * MEGABYTES)
    said = refusal(setup(tmp_path, hub))
    assert "was not fetched whole" in said
    assert "goes on where it ended" in said
    assert not (tmp_path / "memories" / "default-model.json").exists()
    hub.files[URL] = Hosted(content)
    done = setup(tmp_path, hub)
    assert done.returncode == 0, done.stderr
    starts = [start for method, _, start in hub.requests if method == "GET"]
    assert starts[0] == 0
    assert starts[-1] >= 10 * MEGABYTES


@pytest.mark.slow
def test_ctrl_c_in_a_download_keeps_what_came(tmp_path: Path, hub: Hub, content: bytes) -> None:
    hub.files[URL] = Hosted(content, cut_after=15 * MEGABYTES, stalled=True)
    running = pexpect.spawn(
        sys.executable,
        command(hub, "setup", "--model", MODEL.name, "--yes"),
        env=environment(tmp_path, hub),
        encoding="utf-8",
        timeout=120,
    )
    running.expect("44%")  # the progress: ten of 24 megabytes are on the disk
    running.sendintr()
    running.expect(pexpect.EOF)
    running.close()
    assert "Traceback" not in (running.before or "")
    assert running.exitstatus == 2, running.before
    hub.files[URL] = Hosted(content)
    assert setup(tmp_path, hub).returncode == 0
    assert hub.requests[-1][2] >= 10 * MEGABYTES


@pytest.mark.slow
def test_a_file_that_is_not_the_one_we_know_is_removed_whatever_the_hub_says(
    tmp_path: Path, hub: Hub, content: bytes
) -> None:
    hub.files[URL] = Hosted(content)
    as_shipped = [sys.executable, "-m", "memory", "setup", "--model", MODEL.name, "--yes"]
    done = subprocess.run(
        as_shipped, env=environment(tmp_path, hub), capture_output=True, text=True, check=False
    )
    assert "another sha256" in refusal(done)
    assert not [file for file in (tmp_path / "hub").rglob("*") if file.stat().st_size > MEGABYTES]
    memory(tmp_path, hub, "add", "I moved to Oslo.", "--speaker", "Anna")
    assert "fetch it with: memory setup --model qwen2.5-0.5b" in refusal(
        memory(tmp_path, hub, "ask", "Who?", "--model", "gguf:qwen2.5-0.5b")
    )


@pytest.mark.slow
def test_a_hub_that_never_ends_fills_no_disk(tmp_path: Path, hub: Hub, content: bytes) -> None:
    hub.files[URL] = Hosted(content, endless=True)
    assert "the hub sends more of" in refusal(setup(tmp_path, hub))
    assert not [file for file in (tmp_path / "hub").rglob("*") if file.stat().st_size > MEGABYTES]
    hub.files[URL] = Hosted(content)
    assert setup(tmp_path, hub).returncode == 0


@pytest.mark.slow
def test_a_fetched_file_that_was_damaged_is_found_out(
    tmp_path: Path, hub: Hub, content: bytes
) -> None:
    hub.files[URL] = Hosted(content)
    assert setup(tmp_path, hub).returncode == 0
    [blob] = [f for f in (tmp_path / "hub").rglob("blobs/*") if f.stat().st_size > MEGABYTES]
    blob.write_bytes(content[:-1] + b"x")
    assert "another sha256" in refusal(setup(tmp_path, hub))
    assert setup(tmp_path, hub).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hosted", "why"),
    [
        (Hosted(b"", status=404, error_code="EntryNotFound"), "has no qwen2.5-0.5b-instruct"),
        (Hosted(b"", status=404, error_code="RepoNotFound"), "has no qwen2.5-0.5b-instruct"),
        (Hosted(b"", status=403, error_code="GatedRepo"), "asks for an account"),
        (Hosted(b"x", size=10**16), "it has 10,000,000.0 GB, not 0.5"),
        (Hosted(b"no model at all"), "is no GGUF file, or it is cut"),
    ],
)
def test_what_cannot_be_fetched_is_refused_in_one_line(
    hosted: Hosted, why: str, tmp_path: Path, hub: Hub
) -> None:
    hub.files[URL] = hosted
    assert why in refusal(setup(tmp_path, hub))
    assert not (tmp_path / "memories" / "default-model.json").exists()


def test_a_model_for_which_there_is_no_room_is_not_begun(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    nearly_full = namedtuple("Usage", "total used free")(10**9, 10**9 - 5, 5)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: nearly_full)
    with pytest.raises(InputError, match=r"takes 0\.5 GB, and 0\.0 GB are free"):
        download._check_size(500_000_000, MODEL)


def test_the_guide_lists_what_can_be_fetched() -> None:
    guide = Path("docs/guides/models.md").read_text("utf-8")
    for model in MODELS.values():
        row = f"| `{model.name}` | {model.billions} | {model.gigabytes} GB | {model.memory} GB |"
        assert f"{row} {model.licence} | [{model.repository}](" in guide
        assert f"`{model.file}` |" in guide


def test_what_was_measured_of_a_model_is_said_before_it_is_fetched(
    tmp_path: Path, hub: Hub
) -> None:
    """Only of those that somebody measured."""
    done = memory(tmp_path, hub, "setup", "--model", "qwen2.5-coder-1.5b")
    assert "Measured: it answers 52 of 120 everyday questions" in done.stdout
    assert "Measured" not in memory(tmp_path, hub, "setup", "--model", MODEL.name).stdout


@pytest.mark.slow
def test_nothing_is_fetched_without_a_yes(tmp_path: Path, hub: Hub, content: bytes) -> None:
    hub.files[URL] = Hosted(content)
    done = memory(tmp_path, hub, "setup", "--model", MODEL.name)
    assert "nothing was changed" in refusal(done)
    assert hub.requests == []
