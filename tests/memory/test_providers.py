"""A program that uses a memory keeps its logging and its standard output to itself."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from memory.errors import ModelError
from memory.system.providers import check_listening, quiet_litellm

# The root logger's level (10 is DEBUG, at which libraries log most) and handlers, before and after.
BEGINNING = """
import logging, sys
root = logging.getLogger()
root.setLevel(logging.DEBUG)
handler = logging.StreamHandler(sys.stderr)
root.addHandler(handler)
from memory import Memory, Turn, open_store
"""
END = """
assert (root.level, root.handlers) == (logging.DEBUG, [handler]), (root.level, root.handlers)
"""
PACKAGED = """
from tests.support.scripted import answer, scripted_model
script = [([], answer("Oslo", "1"))]
with Memory(sys.argv[1], scripted_model(script)) as memory:
    memory.add(Turn("Anna", "I live in Oslo."))
    assert memory.store.search("Oslo")
    assert memory.ask("Where does Anna live?").text == "Oslo"
"""
HOSTED = """
from memory import load_model
assert load_model("mistral/mistral-small-latest").price
"""
LISTED = """
from memory.system.providers import listed_models, load_litellm
from memory import load_model
model = load_model("openai/gpt-4")
assert (model.limits.context, model.size) == (8_192, "small")
assert "litellm" not in sys.modules
read = {**listed_models()}
litellm = load_litellm()
models = {name: known for name, known in litellm.model_cost.items() if name in read}
assert len(models) > 2_000
for name, known in models.items():
    assert read[name].get("max_input_tokens") in (None, known.get("max_input_tokens")), name
litellm.register_model({"openai/mine": {"max_input_tokens": 4_096, "litellm_provider": "openai"}})
assert load_model("openai/mine").size == "small"
"""


def output_of(code: str, path: Path) -> str:
    """What a program prints that keeps a log of its own on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", BEGINNING + code + END, str(path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_the_packaged_libraries_leave_the_root_logger_alone_and_print_nothing(path: Path) -> None:
    assert output_of(PACKAGED, path) == ""


@pytest.mark.slow  # litellm takes seconds to import
def test_litellm_leaves_the_root_logger_alone_and_prints_nothing(path: Path) -> None:
    assert output_of(HOSTED, path) == ""


@pytest.mark.slow  # litellm takes seconds to import
def test_its_list_of_models_needs_no_import_and_has_those_that_somebody_added(path: Path) -> None:
    assert output_of(LISTED, path) == ""


def test_what_somebody_asked_of_litellms_log_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("LiteLLM")
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    quiet_litellm()
    assert logger.level == logging.DEBUG
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    monkeypatch.setenv("LITELLM_LOG", "INFO")
    quiet_litellm()
    assert logger.level == logging.NOTSET
    monkeypatch.delenv("LITELLM_LOG")
    quiet_litellm()
    assert logger.level == logging.WARNING


@pytest.mark.parametrize(
    "address", ["http://[::1", "http://host:port/v1", "http://host:99999/v1", "host"]
)
def test_what_is_no_address_is_refused_in_words(address: str) -> None:
    with pytest.raises(ModelError, match="is no address"):
        check_listening(address)
