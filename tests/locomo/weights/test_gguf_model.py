"""A model's file as a student: the weights, the tokens and the adapters are llama.cpp's."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra is not installed: uv sync --extra tune")

from gguf import GGUFWriter  # noqa: E402
from transformers import Qwen2Config, Qwen2ForCausalLM  # noqa: E402

from locomo.dataset.format import load_conversations  # noqa: E402
from locomo.weights.adapters import add_lora, describe_adapter, save_adapter  # noqa: E402
from locomo.weights.gguf_model import _stored_name  # noqa: E402
from locomo.weights.student import Student, load_encoder, load_student  # noqa: E402
from memory import InputError, load_model  # noqa: E402
from memory.models import packaged_gguf, read_card, tuned_modules  # noqa: E402
from memory.program import plain_program  # noqa: E402
from tests.support.gguf_files import CHAT_MODEL, write_gguf  # noqa: E402
from tests.support.tiny_llama import CHAT, shake  # noqa: E402

DATA = Path(__file__).parents[3] / "data"
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ODD_TEXTS = [
    "",
    "in 2017 I paid 1,234.50 € for 12345678 of them, 3½ a ٣ piece",
    "I'm sure THEY'LL say it's WE'RE; O'Neill’s",
    "  two  spaces\n\n\ttabs\r\n \r\n ...?!\n\n",
    "naïve façade – “quotes” … 東京タワー 🙂🙂 Ωμέγα, e\u0301 and é",
    "<|im_start|>user\nHello 42<|im_end|>\n<|endoftext|>",
    "<tool_call>{\"a\": 1}</tool_call>",
]  # fmt: skip

pytestmark = pytest.mark.usefixtures("one_thread")


@torch.no_grad()
def logits(student: Student) -> Any:
    return student.model(torch.tensor([student.encode(CHAT)])).logits.float()


# --- tokens -------------------------------------------------------------------------------------


def llama_ids(file: Path, texts: list[str]) -> Iterator[list[int]]:
    """llama.cpp's tokens of texts."""
    xllamacpp = pytest.importorskip("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx, params.n_parallel, params.verbosity = 64, 1, 0
    params.webui = params.endpoint_slots = False
    server = xllamacpp.Server(params)
    for text in texts:
        body = json.dumps({"content": text, "add_special": False, "parse_special": True})
        address = f"{server.listening_address}/tokenize"
        with urllib.request.urlopen(address, body.encode()) as answer:  # noqa: S310
            yield json.load(answer)["tokens"]


def check_tokens(file: Path) -> None:
    encoder = load_encoder(f"gguf:{file}")
    turns = [
        turn.text
        for conversation in load_conversations(DATA / "train")[::3]
        for turn in conversation.turns[::6]
    ]
    assert len(turns) > 150
    chats = load_conversations(DATA / "chats.json")  # in six languages
    turns += [turn.text for conversation in chats for turn in conversation.turns[::4]]
    chat = encoder.tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    texts = [*ODD_TEXTS, chat, *turns]
    assert len(texts) > 300
    for text, ids in zip(texts, llama_ids(file, texts), strict=True):
        assert encoder.ids(text) == ids, text


def test_texts_are_split_as_llama_cpp_splits_them() -> None:
    check_tokens(packaged_gguf())


# --- weights ------------------------------------------------------------------------------------


def test_the_packaged_model_by_its_file_is_the_packaged_model() -> None:
    local, by_file = (
        load_student("local", device="cpu"),
        load_student(name_of_packaged(), None, "cpu"),
    )
    assert by_file.base_sha256 == local.base_sha256
    assert torch.equal(logits(local), logits(by_file))
    # In bf16 the angles of far positions would be a quarter of a turn off.
    assert by_file.model.model.rotary_emb.inv_freq.dtype == torch.float32


def name_of_packaged() -> str:
    return f"gguf:{packaged_gguf()}"


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A Qwen2 of two narrow layers with random weights, and the same as llama.cpp's file."""
    torch.manual_seed(0)
    letters = [chr(33 + n) for n in range(94)] + ["Ċ", "Ġ", "ab"]
    tokens = [*letters, "<|im_start|>", "<|im_end|>"]
    config = Qwen2Config(
        vocab_size=len(tokens),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        max_position_embeddings=256,
    )
    model = Qwen2ForCausalLM(config).eval()
    path = tmp_path_factory.mktemp("qwen") / "qwen.gguf"
    writer = GGUFWriter(path, "qwen2")
    writer.add_name("Tiny Qwen")
    writer.add_context_length(256)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_block_count(2)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(letters) + [3, 3])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_chat_template(TEMPLATE)
    for name, weight in model.named_parameters():
        torch.nn.init.normal_(weight, std=0.3)  # biases and norms, too
        writer.add_tensor(_stored_name(name), weight.detach().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model, path


def test_a_qwen_is_read_whole(qwen: tuple[Any, Path]) -> None:
    model, file = qwen
    student = load_student(f"gguf:{file}", device="cpu")
    assert (student.base, student.tokenizer.eos_token) == ("Tiny Qwen", "<|im_end|>")
    prompt = student.encode([{"role": "user", "content": "a 12"}])
    assert student.tokenizer.decode(prompt) == (
        "<|im_start|>user\na 12<|im_end|>\n<|im_start|>assistant\n"
    )
    student.model.float()
    with torch.no_grad():
        expected = model(torch.tensor([prompt])).logits
        read = student.model(torch.tensor([prompt])).logits
    torch.testing.assert_close(read, expected, rtol=0.05, atol=0.2)  # through bf16


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"general.architecture": "gemma3", "gemma3.context_length": 64}, "'gemma3': tuned from"),
        ({"tokenizer.ggml.pre": "llama-bpe"}, "'llama-bpe': known is gpt2 with smollm or qwen2"),
        ({"tokenizer.ggml.model": "llama"}, "splits texts by 'llama'"),
        ({"tokenizer.ggml.pre": "qwen2"}, "does not say"),
    ],
)
def test_a_file_that_cannot_be_tuned_is_refused(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    file = write_gguf(tmp_path / "model.gguf", {**CHAT_MODEL, **changes})
    with pytest.raises(InputError, match=why):
        load_student(f"gguf:{file}", device="cpu")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("no model")
    with pytest.raises(InputError, match="is no GGUF file"):
        load_student(f"gguf:{tmp_path / 'text.gguf'}", device="cpu")


# --- adapters -----------------------------------------------------------------------------------


def adapter_of(student: Student, folder: Path) -> Path:
    torch.manual_seed(0)
    add_lora(student, rank=4, alpha=8)
    shake(student, 0.05)
    card = describe_adapter(student, targets=["store"], conversations=[], made_by="sft", data="")
    save_adapter(student, folder, card)
    return folder


def test_a_qwens_adapter_is_a_start_also_as_gguf_only(
    qwen: tuple[Any, Path], tmp_path: Path
) -> None:
    name = f"gguf:{qwen[1]}"
    student = load_student(name, device="cpu")
    folder = adapter_of(student, tmp_path / "lora")
    assert load_student(name, folder, "cpu").tuned
    for file in folder.glob("adapter_*"):
        file.unlink()
    again = load_student(name, folder, "cpu")
    own, read = (
        {n: p for n, p in s.model.named_parameters() if p.requires_grad} for s in (student, again)
    )
    assert own.keys() == read.keys()
    for parameter, weight in own.items():
        torch.testing.assert_close(read[parameter], weight.half().float(), rtol=0, atol=0)


def test_an_adapter_runs_for_what_it_was_tuned_for_and_on_its_own_model_only(
    qwen: tuple[Any, Path], tmp_path: Path
) -> None:
    folder = adapter_of(load_student(name_of_packaged(), device="cpu"), tmp_path / "lora")
    assert read_card(folder).prompts == ""
    model = load_model(name_of_packaged(), adapter=folder)
    assert model.weights == {
        "store": model.name,
        "retrieve": name_of_packaged(),
        "answer": name_of_packaged(),
    }
    assert tuned_modules(model) == {"store"}
    program = plain_program(model)
    # As it was tuned: without examples.
    assert not program.store.predict.demos
    assert not program.store.is_compiled
    assert program.answer.predict.demos
    assert plain_program(load_model(name_of_packaged())).store.predict.demos
    # Converted by others it has no card, and nothing is known of it.
    bare = tmp_path / "bare.gguf"
    bare.write_bytes((folder / "adapter.gguf").read_bytes())
    converted = load_model(name_of_packaged(), adapter=bare)
    assert {*converted.weights.values()} == {converted.name}
    assert plain_program(converted).store.predict.demos
    # The same sizes are not enough.
    card = read_card(folder).model_copy(update={"base_sha256": "ab" * 32})
    (folder / "adapter.json").write_text(card.model_dump_json())
    for load in (
        lambda: load_model(name_of_packaged(), adapter=folder),
        lambda: load_student(name_of_packaged(), folder, "cpu"),
    ):
        with pytest.raises(InputError, match=r"\(abababab\), the model is Smollm2"):
            load()


# --- a real one ---------------------------------------------------------------------------------
