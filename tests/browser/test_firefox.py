"""A smoke run in Firefox: the sign-in link, a page, a search while one types.

It is driven by WebDriver BiDi, which a Firefox of the system speaks by itself
(`apt-get install --no-install-recommends firefox-esr`).
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from memory import open_store
from memory.server.web.page_request import address_of
from memory.store.namespaces import path_of
from tests.support.farmhouse import fill
from tests.support.served import served

client = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
pytestmark = pytest.mark.slow
FIREFOX = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)


class Tab:
    """A tab of a Firefox: pages are opened in it, and expressions of JavaScript evaluated."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._numbers = count(1)
        self.send("session.new", capabilities={})
        self._context = self.send("browsingContext.getTree")["contexts"][0]["context"]

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == number:
                assert message["type"] == "success", message
                return dict(message["result"])

    def open(self, url: str) -> None:
        self.send("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        answer = self.send(
            "script.evaluate",
            expression=expression,
            target={"context": self._context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    def type(self, text: str) -> None:
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        actions = [{"type": "key", "id": "keyboard", "actions": keys}]
        self.send("input.performActions", context=self._context, actions=actions)


@contextmanager
def firefox(profile: Path) -> Iterator[Tab]:
    """A Firefox without a window, with a profile of its own."""
    assert FIREFOX is not None
    line = [FIREFOX, "--headless", "--remote-debugging-port", "0", "--profile", str(profile)]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            for text in process.stderr:
                if match := re.search(r"listening on (ws://\S+)", text):
                    break
            else:
                raise AssertionError("this Firefox speaks no WebDriver BiDi")
            with client.connect(f"{match[1]}/session") as socket:
                yield Tab(socket)
        finally:
            process.terminate()


@pytest.mark.skipif(FIREFOX is None, reason="no Firefox here: `apt-get install firefox-esr`")
def test_the_page_works_in_firefox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "profile").mkdir()
    with open_store(path_of("anna")) as store:
        fill(store, turns=110)
    with served() as link, firefox(tmp_path / "profile") as tab:
        tab.open(link)
        assert tab.evaluate("document.title") == "All memories"
        tab.open(link.split("/sign-in")[0] + address_of("anna", "conversation"))
        assert tab.evaluate("document.querySelectorAll('article.turn').length") == 40
        tab.evaluate("document.querySelector('#q').focus()")
        tab.type("which colour")
        found = """new Promise(resolve => setInterval(() => {
            const text = document.querySelector('#results').innerText;
            if (text.includes('likeliest first')) resolve(text);
        }, 20))"""
        assert "Which colour did you buy." in tab.evaluate(found)
        wide = "document.documentElement.scrollWidth <= window.innerWidth"
        assert tab.evaluate(wide)
