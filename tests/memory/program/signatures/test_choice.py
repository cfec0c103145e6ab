"""Which form of the prompts a hosted model gets: by its context, its size, a setting, an option."""

from pathlib import Path

import pytest

from memory import InputError, Memory, MemoryProgram, Store, load_model
from memory.models.sizes import Size, size_for
from memory.program.program_card import Form
from memory.records import FormChoice
from memory.store.configuration.declared_settings import Settings
from tests.support.scripted import scripted_model

BOTH_STORES = "slow"


@pytest.mark.parametrize(
    ("name", "context", "size"),
    [
        ("openai/gpt-4o-mini", 128_000, "large"),
        ("openai/gpt-4o-mini", None, "large"),
        ("openai/NAME", None, "large"),  # nothing is known: taken for a large one
        ("provider/large", 8_191, "small"),  # the full prompts and a window do not fit
        ("provider/large", 16_385, "large"),
        ("ollama_chat/qwen2.5:7b", None, "small"),
        ("ollama_chat/qwen2.5:0.5b", None, "small"),
        ("groq/llama-3.1-8b-instant", 128_000, "small"),
        ("openai/HuggingFaceTB/SmolLM2-360M-Instruct", None, "small"),
        ("openai/meta-llama/Llama-3.2-3B-Instruct", 131_072, "small"),
        ("openai/Qwen/Qwen3-4B", None, "small"),
        ("openai/meta-llama/Llama-3.3-70B-Instruct", None, "large"),
        ("together_ai/mistralai/Mixtral-8x7B-Instruct-v0.1", None, "large"),
        ("openai/Qwen/Qwen3-30B-A3B", None, "large"),
        ("ollama_chat/gemma2:9b", None, "large"),
        ("openai/gpt-4.1b7", None, "large"),  # no size
    ],
)
def test_a_model_that_is_small_or_reads_little_chooses_rows(
    name: str, context: int | None, size: Size
) -> None:
    assert size_for(name, context) == size
    assert size_for(name, context, "full") == "large"
    assert size_for(name, context, "short") == "small"
    assert size_for(name, context, "brief") == "small"


@pytest.mark.parametrize(
    ("name", "size", "context"),
    [
        ("openai/gpt-4", "small", 8_192),
        ("openai/gpt-4o-mini", "large", 128_000),
        ("ollama_chat/qwen2.5:7b", "small", 128_000),
    ],
)
def test_litellm_tells_the_context_of_a_model_that_it_lists(
    name: str, size: Size, context: int
) -> None:
    model = load_model(name)
    assert (model.size, model.limits.context) == (size, context)
    own = model.limits
    limits = {"large": (48, 8_000, 6_000), "small": (1, 400, 300)}
    assert (own.window, own.window_tokens, own.budget) == limits[size]


def test_the_name_of_ones_own_server_s_model_is_nobody_else_s(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://localhost:1/v1")
    assert load_model("openai/gpt-4").size == "large"


@pytest.mark.parametrize(
    ("name", "option", "setting", "form"),
    [
        ("openai/gpt-4o-mini", "auto", None, "full"),
        ("openai/gpt-4o-mini", "auto", "short", "brief"),  # an older name
        ("openai/gpt-4o-mini", "full", "short", "full"),  # who asks now knows best
        ("openai/gpt-4o-mini", "brief", "full", "brief"),
        ("ollama_chat/qwen2.5:7b", "auto", "full", "full"),
        ("ollama_chat/qwen2.5:7b", "auto", "auto", "brief"),
    ],
)
def test_an_option_goes_before_the_memory_s_setting_and_that_before_the_model(
    store: Store, name: str, option: FormChoice, setting: str | None, form: Form
) -> None:
    if setting:
        Settings(store).set("prompts", setting)
    memory = Memory(store, load_model(name, prompts=option))
    assert memory.program.form == form
    by_name = load_model(name, prompts=setting) if setting else load_model(name)
    assert Memory(store, name).model.size == by_name.size


def test_a_window_that_somebody_set_stays(store: Store) -> None:
    Settings(store).set("prompts", "brief")
    model = Memory(store, scripted_model([], window=5)).model
    assert (model.size, model.limits.window, model.limits.window_tokens) == ("small", 5, 400)


def test_other_forms_are_refused(store: Store) -> None:
    with pytest.raises(InputError, match='takes "auto" or "full" or "brief" or "short"'):
        Settings(store).set("prompts", "tiny")
    for name in ("openai/gpt-4o-mini", "gguf:none.gguf"):
        with pytest.raises(
            InputError, match="no prompts 'long'; there are auto, full, brief, short"
        ):
            load_model(name, prompts="long")


def test_the_packaged_model_has_a_small_models_prompts(store: Store) -> None:
    with pytest.raises(InputError, match="the packaged model has a small model's prompts"):
        load_model("local", prompts="full")
    Settings(store).set("prompts", "full")
    assert Memory(store, "local").program.form == "brief"


def test_a_compiled_program_keeps_its_form_whatever_the_model_s(store: Store) -> None:
    memory = Memory(store, load_model("openai/gpt-4o-mini"), program=MemoryProgram("brief"))
    assert memory.program.form == "brief"


def test_a_user_s_memory_has_its_own_setting(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    with Memory(model=load_model("openai/gpt-4o-mini")) as memory:
        for user in ("ann", "ben"):
            memory.add("Hello.", user_id=user)
        Settings(memory.of("ann").store).set("prompts", "short")
        assert memory.model.size == "large"
    with Memory(model=load_model("openai/gpt-4o-mini")) as memory:
        assert memory.model.size == "large"
        forms = {}
        for user in ("ann", "ben"):
            own = memory.of(user)
            forms[user] = (own.model.size, own.program.form, own.budget)
        assert forms == {"ann": ("small", "brief", 300), "ben": ("large", "full", 6_000)}
