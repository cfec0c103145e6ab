"""The ledger: what is paid is on disk and never paid again, and nothing beyond the budget is paid.

python -m tests.locomo.test_ledger FOLDER LIVES    processes that ask, each killed (-9)
"""

import json
import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from dspy.utils.exceptions import LMError

from locomo.ledger import Budget, BudgetSpent, Ledger
from memory import InputError
from tests.memory.program.test_lm import KEY, Server, ok
from tests.support.killing import kill_after


class Echo:
    """A DSPy engine that says what it was asked, after `does`, which may wait or raise."""

    def __init__(self, does: Callable[[str], object] = len) -> None:
        self.does, self.asked, self.lock = does, list[str](), Lock()

    def complete(self, request: Request) -> Response:
        prompt = request.messages[-1].text or ""
        with self.lock:
            self.asked.append(prompt)
        self.does(prompt)
        usage = Usage(input_tokens=7, output_tokens=3, total_tokens=10)
        said = Message.assistant([TextPart(prompt)])
        return Response(id=None, model="echo", message=said, finish_reason="stop", usage=usage)


def model(engine: Any, name: str = "local/echo") -> dspy.LM:
    return dspy.LM(name, engine=engine, cache=True, num_retries=0)


def ask(lm: dspy.LM, *prompts: object) -> list[str]:
    return [lm(str(prompt))[0] for prompt in prompts]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    served = Server()
    Thread(target=served.http.serve_forever, args=(0.02,), daemon=True).start()
    yield served
    served.http.shutdown()
    served.http.server_close()


# What is paid is kept


@pytest.mark.slow
@pytest.mark.parametrize("with_requests", [True, False])
@pytest.mark.parametrize("engine", ["lm15", "litellm"])
def test_a_call_is_paid_once_then_answered_from_disk(
    tmp_path: Path, server: Server, engine: str, with_requests: bool
) -> None:
    server.plan = [ok("blue"), ok("red")]
    hosted = dspy.LM("openai/gpt-4o-mini", engine=engine, api_base=server.address, num_retries=0)
    first = Ledger(tmp_path, with_requests=with_requests)
    with first.active():
        assert ask(hosted, "Which colour?", "Which colour?") == ["blue", "blue"]
        assert ask(hosted.copy(rollout_id=1, temperature=1.0), "Which colour?") == ["red"]
    again = Ledger(tmp_path, resume=True)
    with again.active(), dspy.track_usage() as usage:
        assert ask(hosted, "Which colour?") == ["blue"]
    assert server.plan == []
    paid, *_, replayed = hosted.history
    assert replayed["cost"] == paid["cost"] > 0
    assert usage.get_total_tokens() == {}
    assert (first.spent.replayed, again.spent.replayed) == (1, 1)
    for spent in (first.spent, again.spent):
        assert (spent.calls, spent.tokens_in, spent.tokens_out, spent.unpriced) == (2, 2, 2, 0)
        assert spent.dollars == pytest.approx(2 * (0.15e-6 + 0.6e-6))
    text = (tmp_path / "calls.jsonl").read_text("ascii")
    assert "blue" in text
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert KEY not in text
    requests = [json.loads(line)["request"] for line in text.splitlines()]
    if with_requests:
        assert [request["messages"][0]["content"] for request in requests] == ["Which colour?"] * 2
    else:
        assert requests == [None, None]


def test_how_a_server_is_reached_stands_in_no_line(tmp_path: Path) -> None:
    request = {
        "model": "m",
        "max_tokens": 7,
        "api_key": "k1",
        "base_url": "http://u:k2@host",
        "request": {"config": {"extra_headers": {"authorization": "k3"}, "auth_token": "k4"}},
    }
    Ledger(tmp_path).put(request, {"_dspy_format": "any", "outputs": [""]})
    file = tmp_path / "calls.jsonl"
    assert file.stat().st_mode & 0o077 == 0, "the prompts are of private conversations"
    line = json.loads(file.read_text())
    assert line["request"] == {"model": "m", "max_tokens": 7, "request": {"config": {}}}


def test_a_line_torn_at_any_place_costs_that_line_only(tmp_path: Path) -> None:
    ledger, file = Ledger(tmp_path), tmp_path / "calls.jsonl"
    with ledger.active():
        ask(model(Echo()), "a", "b")
    whole = file.read_bytes()
    one = whole.index(b"\n") + 1
    for cut in (*range(0, len(whole), 41), one - 1, one, one + 1, len(whole) - 1):
        file.write_bytes(whole[:cut])
        again, engine = Ledger(tmp_path, resume=True), Echo()
        with again.active():
            assert ask(model(engine), "a", "b") == ["a", "b"]
        assert engine.asked == (["b"] if cut >= one else ["a", "b"])
        assert Ledger(tmp_path, resume=True).spent.calls == 2


def test_a_new_run_puts_one_earlier_run_aside(tmp_path: Path) -> None:
    for prompt in ("a", "b"):
        ledger = Ledger(tmp_path)
        assert ledger.spent.calls == 0
        with ledger.active():
            assert ask(model(Echo()), prompt) == [prompt]
    Ledger(tmp_path, resume=False)
    Ledger(tmp_path, resume=False)  # of a run without calls there is nothing to put aside
    old = (tmp_path / "calls.old.jsonl").read_text()
    assert '"b"' in old
    assert old.count("\n") == 1


@pytest.mark.slow
def test_killed_processes_pay_for_no_call_twice(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.locomo.test_ledger", str(tmp_path), "10"]
    out = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    events = [line.split() for line in out.stdout.splitlines()]
    got = set()
    for event, prompt in events:
        assert event == "got" or prompt not in got, f"{prompt} was paid again"
        if event == "got":
            got.add(prompt)
    assert len(got) > 10
    ledger = Ledger(tmp_path, resume=True)
    assert len(got) <= ledger.spent.calls <= Counter(event for event, _ in events)["paid"]


# What is beyond the budget is not paid


def test_many_threads_stop_at_the_last_call(tmp_path: Path) -> None:
    engine = Echo(lambda _: time.sleep(0.005))
    lm, ledger = model(engine), Ledger(tmp_path, Budget(calls=10))

    def one(prompt: int) -> bool:
        try:
            return ask(lm, prompt) == [str(prompt)]
        except BudgetSpent:
            return False

    with ledger.active(), ThreadPoolExecutor(8) as pool:
        answered = sum(pool.map(one, range(40)))
        assert answered == len(engine.asked) == ledger.spent.calls == 10
        assert ask(lm, engine.asked[0]) == [engine.asked[0]], "what is on disk is always given"
        with pytest.raises(BudgetSpent, match="10 calls are spent"):
            ask(lm, "a new one")


def test_a_call_that_fails_is_not_counted(tmp_path: Path) -> None:
    def fail(prompt: str) -> None:
        if "fail" in prompt:
            raise ConnectionError(prompt)

    engine = Echo(fail)
    lm, ledger = model(engine), Ledger(tmp_path, Budget(calls=1))

    def failing() -> None:
        with pytest.raises(LMError):
            ask(lm, "fail")

    with ledger.active():
        thread = Thread(target=failing)
        thread.start()
        thread.join()
        failing()
        assert ask(lm, "a") == ["a"]
        with pytest.raises(BudgetSpent):
            ask(lm, "b")
    assert engine.asked == ["fail"] * 2 + ["a"]


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        (Budget(minutes=0.002), "0.002 minutes are spent"),
        (Budget(dollars=1e-7), "1e-07 dollars are spent"),
    ],
)
def test_time_and_money_stop_a_run(tmp_path: Path, server: Server, budget: Budget, says: str):
    server.plan = [ok("a")]
    hosted = dspy.LM("openai/gpt-4o-mini", api_base=server.address, num_retries=0)
    ledger = Ledger(tmp_path, budget)
    with ledger.active():
        ask(hosted, "first")
        time.sleep(0.12)
        with pytest.raises(BudgetSpent, match=says):
            ask(hosted, "second")


def test_minutes_count_from_the_start_of_the_command(tmp_path: Path) -> None:
    """Timing a model and reading the data are part of what the user gave so many minutes."""
    ledger = Ledger(tmp_path, Budget(minutes=5), began=time.monotonic() - 301)
    with ledger.active(), pytest.raises(BudgetSpent, match="5 minutes are spent"):
        ask(model(Echo()), "a")


def test_a_call_without_a_known_price_is_counted_as_such(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, Budget(dollars=1.0))
    with ledger.active():
        ask(model(Echo(), "mine/echo"), "a")
    assert (ledger.spent.dollars, ledger.spent.unpriced) == (0.0, 1)


def test_a_share_is_kept_for_later(tmp_path: Path) -> None:
    ledger, lm = Ledger(tmp_path, Budget(calls=3)), model(Echo())
    with ledger.active():
        with ledger.reserve(Budget(calls=1)), pytest.raises(BudgetSpent, match="but for 1 kept"):
            ask(lm, *range(5))
        assert ask(lm, 2) == ["2"]
        with pytest.raises(BudgetSpent):
            ask(lm, 3)


def test_a_full_disk_ends_the_run_and_spoils_nothing(tmp_path: Path) -> None:
    ledger, file, engine = Ledger(tmp_path), tmp_path / "calls.jsonl", Echo()
    lm = model(engine)
    with ledger.active():
        ask(lm, "a")
        before = file.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
        try:
            for prompt in ("b", "c"):
                with pytest.raises(BudgetSpent, match="cannot be written"):
                    ask(lm, prompt)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    assert engine.asked == ["a", "b"]


# What it is given


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize(
    "content", [b"notes", b"notes\n", b"{}\n", b"[1]\n", b'\xff\xfe\n{"key": "', b"\n"]
)
def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path, content: bytes, resume: bool):
    (tmp_path / "calls.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=r"calls\.jsonl cannot be used"):
        Ledger(tmp_path, resume=resume)
    assert (tmp_path / "calls.jsonl").read_bytes() == content


def live(folder: Path) -> None:
    """Ask the numbers from 0 in four threads; say before each call that it is paid, then got."""
    lm = model(Echo(lambda prompt: os.write(1, f"paid {prompt}\n".encode())))

    def one(prompt: int) -> None:
        ask(lm, prompt)
        os.write(1, f"got {prompt}\n".encode())

    with Ledger(folder, resume=True).active(), ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(100_000)))


def lives(folder: Path, number: int) -> None:
    """Kill one process after another at work (forked: DSPy is imported once for all)."""
    chance = random.Random(1)
    with Ledger(folder).active():
        ask(model(Echo()), "what DSPy imports with its first call")
    for life in range(number):
        lines = 4 * life + chance.randint(2, 8)  # a life repeats what those before it got
        written = kill_after(lines, chance.uniform(0, 0.1), partial(live, folder))
        print(written, end="", flush=True)


if __name__ == "__main__":
    lives(Path(sys.argv[1]), int(sys.argv[2]))
