"""The packaged model as a student: llama.cpp's tokens and answers, with an adapter and without."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra is not installed: uv sync --extra tune")

from locomo.weights.adapters import add_lora, describe_adapter, save_adapter  # noqa: E402
from locomo.weights.student import Student, load_student  # noqa: E402
from memory import load_model  # noqa: E402
from memory.models.gguf.files import packaged_gguf  # noqa: E402

CHAT = [
    {"role": "system", "content": "Answer shortly."},
    {"role": "user", "content": "Anna: I moved to Oslo.\nWhere does Anna live?"},
]


@pytest.fixture(scope="module")
def packaged() -> Student:
    return load_student(device="cpu")


@pytest.fixture(scope="module")
def llama() -> Callable[..., Any]:
    """Starts llama.cpp with the packaged model and, if given, an adapter, at full strength."""
    xllamacpp = pytest.importorskip("xllamacpp")

    @cache
    def start(adapter: Path | None = None) -> Callable[..., Any]:
        params = xllamacpp.CommonParams()
        params.model.path = str(packaged_gguf())
        params.n_ctx, params.n_parallel, params.verbosity = 512, 1, 0
        params.webui = params.endpoint_slots = False
        if adapter:
            lora = xllamacpp.CommonAdapterLoraInfo()
            lora.path, lora.scale = str(adapter), 1.0
            params.lora_adapters = [lora]
        server = xllamacpp.Server(params)

        def say(messages: list[dict[str, str]], tokens: int, **settings: Any) -> Any:
            body = {"messages": messages, "max_tokens": tokens, "temperature": 0.0}
            return server.handle_chat_completions({**body, **settings})

        return say

    return start


def fresh(packaged: Student) -> Student:
    torch.manual_seed(0)
    return replace(packaged, model=copy.deepcopy(packaged.model))


@torch.no_grad()
def first_token(student: Student) -> Any:
    """Log probabilities of every token as the answer's first."""
    return student.model(torch.tensor([student.encode(CHAT)])).logits[0, -1].float().log_softmax(-1)


@pytest.mark.parametrize(
    "text",
    [
        "I moved to Oslo in 2017-05-06!",
        "  two  spaces\n\n\ttabs\r\n",
        "naïve façade – “quotes” … 東京 🙂🙂",
        "it's 1,234.50 €; they'll I'd WE'RE",
        "SELECT t.said_at FROM search('beach trip', 20) s;",
        "<|im_start|>user<|im_end|>",
        "",
    ],
)
def test_the_students_tokens_are_those_of_llama_cpp(
    packaged: Student, llama: Callable[..., Any], text: str
) -> None:
    messages = [{"role": "user", "content": text}]
    assert packaged.tokenizer.decode(packaged.ids(text)) == text
    used = llama()(messages, 1)["usage"]["prompt_tokens"]
    assert len(packaged.encode(messages)) == used


def test_a_gguf_adapter_changes_llama_cpp_as_it_changes_the_student(
    packaged: Student, llama: Callable[..., Any], tmp_path: Path
) -> None:
    student = fresh(packaged)
    student.model.float()
    before = first_token(student)
    add_lora(student, rank=4, alpha=8)
    for weight in student.model.parameters():
        if weight.requires_grad:
            weight.data += 0.05 * torch.randn_like(weight)
    card = describe_adapter(student, targets=["answer"], conversations=[], made_by="sft", data="")
    save_adapter(student, tmp_path / "lora", card)
    told = llama(tmp_path / "lora" / "adapter.gguf")(CHAT, 1, logprobs=True, top_logprobs=40)
    (place,) = told["choices"][0]["logprobs"]["content"]
    likely = {token["id"]: token["logprob"] for token in place["top_logprobs"]}
    said, ids = torch.tensor(list(likely.values())), list(likely)
    tuned = first_token(student)
    # The quantization of what llama.cpp computes with is worth .1, the rows in another order .5.
    assert (said - tuned[ids]).pow(2).mean().sqrt() < 0.2
    assert (said - before[ids]).pow(2).mean().sqrt() > 0.5
    # llama.cpp takes it
    assert load_model("local-base", adapter=tmp_path / "lora").size == "small"
