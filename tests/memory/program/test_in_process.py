"""Any instruct model in this process: the packaged file as any GGUF, through the whole program."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import dspy
import pytest

from memory import InputError, Memory, load_model
from memory.errors import ModelError, PromptTooLong
from memory.models import Model, end_calls, in_process
from memory.models.brief_prompts import ABSTENTION_BIAS
from memory.models.gguf.files import packaged_gguf
from memory.models.gguf.model_file import read_model
from memory.models.gguf.server import ModelCopy, ServerSettings
from memory.models.packaged import over_machines
from memory.models.row_grammar import NONE
from memory.program import MemoryProgram
from memory.program.brief_store import rows_in
from tests.conftest import SAID
from tests.support.gguf_adapter import gguf
from tests.support.gguf_files import CHAT_MODEL, write_gguf

NAME = f"gguf:{packaged_gguf()}"


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that wait for a busy core hold up each other."""
    monkeypatch.setenv("MEMORY_GGUF_THREADS", "1")


def loaded(name: str = NAME, **settings: object) -> Model:
    return load_model(name, **settings)  # type: ignore[arg-type]


def history() -> list[str]:
    return [call["outputs"][0] for call in dspy.clients.base_lm.GLOBAL_HISTORY]


@pytest.fixture(scope="module")
def server() -> ModelCopy:
    settings = ServerSettings(packaged_gguf(), context=4096, threads=1, writing_threads=1)
    return ModelCopy(settings)


@pytest.mark.slow
def test_a_file_of_few_parameters_is_asked_for_lines(tmp_path: Path) -> None:
    model = load_model(NAME)
    assert (model.size, model.limits.window) == ("small", 1)
    with Memory(tmp_path / "memory.db", model=model) as memory:
        memory.add(SAID[:3])
        done = memory.digest()
        assert (done.stored, done.failed) == (3, 0)
        for line in history()[-done.calls :]:
            assert line == NONE or rows_in(line), line
        answer = memory.ask("What does Ben think of it?")
    assert "##" not in answer.text


@pytest.mark.slow
def test_a_little_model_abstains_the_sooner_the_larger_the_bias(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But for weights tuned to answer, which have learned it."""
    model = load_model(NAME)
    tuned = replace(model, adapter=in_process.GgufAdapter(frozenset({"answer"})))
    answer = MemoryProgram("brief").answer

    def answers_of(model: Model) -> list[str]:
        answers = []
        for bias in (-100.0, 100.0):
            monkeypatch.setattr(in_process, "ABSTENTION_BIAS", bias)
            with model.active():
                answers.append(answer.predict(evidence=SAID[0].text, question="Cats?").answer)
        return answers

    seldom, often = answers_of(model)
    assert not seldom.startswith("No")
    assert often.startswith("No")
    assert len({*answers_of(tuned)}) == 1
    assert ABSTENTION_BIAS > 0


@pytest.mark.slow
def test_who_stops_listening_ends_the_call(server: ModelCopy) -> None:
    """So Ctrl-C and a client that goes away leave nothing computing."""
    question = [{"role": "user", "content": "Tell a long story."}]
    pieces = server.stream(question, (0, None), seconds=600, max_tokens=1_500)
    assert next(pieces)
    pieces.close()
    assert [thread for thread in threading.enumerate() if thread.name == "llama.cpp"] == []


@pytest.mark.slow
def test_calls_of_other_threads_can_be_ended_also_those_that_wait_for_their_turn() -> None:
    """Ctrl-C reaches the main thread alone; a whole answer may take minutes."""
    lm = loaded().lm.copy(max_tokens=2_000)
    ends: list[type[BaseException]] = []

    def ask() -> None:
        try:
            lm("Tell a long story of a thousand words.")
        except KeyboardInterrupt as end:
            ends.append(type(end))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not [thread for thread in threading.enumerate() if thread.name == "llama.cpp"]:
        time.sleep(0.01)
    end_calls()
    for thread in threads:
        thread.join()
    assert ends == [KeyboardInterrupt] * 3
    assert lm.copy(max_tokens=3)("Say hello.")[0]  # the next call is answered


@pytest.mark.slow
def test_a_call_ends_after_its_seconds_and_the_next_one_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEMORY_CALL_SECONDS", "0.05")
    model = loaded()
    with pytest.raises(ModelError, match=r"no whole answer in 0\.05 seconds"), model.active():
        dspy.settings.lm("Tell a long story.")
    patient = replace(model.lm.engine, seconds=600)
    assert model.lm.copy(engine=patient, max_tokens=3)("Say hello.")[0]


def test_a_prompt_that_does_not_fit_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_GGUF_CONTEXT", "256")
    model = loaded()
    assert model.limits.context == 256
    with pytest.raises(PromptTooLong, match="reads 256 tokens here; set MEMORY_GGUF_CONTEXT"):  # noqa: SIM117
        with model.active():
            dspy.settings.lm("word " * 400)


@pytest.mark.slow
def test_an_adapter_is_checked_and_applied(tmp_path: Path) -> None:
    plain = loaded()
    tuned = loaded(adapter=gguf(tmp_path / "lora.gguf"))
    assert tuned.name != plain.name
    said = [model.lm.copy(max_tokens=8)("Where is Oslo?")[0] for model in (plain, tuned)]
    assert said[0] != said[1]
    with pytest.raises(InputError, match="is no LoRA of"):
        loaded(adapter=gguf(tmp_path / "other.gguf", architecture="qwen2"))


def test_prompts_go_by_the_parameters_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_model(NAME).size == "small"
    assert loaded(prompts="short").size == "small"
    assert loaded(prompts="full").size == "large"
    file = read_model(packaged_gguf())
    sizes = {3_100_000_000: "small", 7_600_000_000: "small", 14_000_000_000: "large"}
    for parameters, size in sizes.items():
        sized = replace(file, parameters=parameters)
        monkeypatch.setattr("memory.models.in_process.read_model", lambda path, it=sized: it)
        assert load_model(NAME).size == size


def test_it_costs_nothing_and_asks_no_server() -> None:
    model = loaded()
    assert (model.server, model.price) == ("", (0.0, 0.0))
    with pytest.raises(InputError, match="runs in one process"):
        over_machines(model, "ray")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gguf:none.gguf", "No such file"),
        (
            "gguf:qwen9",
            "there is no file 'qwen9'; give gguf:FILE.gguf, or gguf:NAME of qwen2.5-0.5b",
        ),
        ("gguf:", "there is no file ''"),
    ],
)
def test_a_name_that_is_no_file_is_refused(name: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        load_model(name)


def test_a_file_that_llama_cpp_cannot_run_is_refused_in_one_line(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "new.gguf", {**CHAT_MODEL, "general.architecture": "llama"})
    model = loaded(f"gguf:{file}")
    with pytest.raises(ModelError, match=r"llama\.cpp cannot run") as refused, model.active():
        dspy.settings.lm("Hello")
    assert "\n" not in str(refused.value)
