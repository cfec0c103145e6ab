"""A student: a model with tunable weights, and its tokenizer; "local" is the packaged model."""

import hashlib
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader, dequantize
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors import SafetensorError
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)
from transformers.modeling_utils import no_init_weights

from locomo.weights.arbor_client import ModelInfo
from memory.errors import InputError
from memory.models import BASE, PEFT, AdapterCard, check_base, load_lora, packaged_gguf, read_card

# The seven linear layers of a decoder layer, by transformers' names -> llama.cpp's names.
LINEAR = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_CONTROL_TOKEN = 3  # llama.cpp's type of a token without text
_NORMS = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


@dataclass
class Student:
    """A transformers model (a PEFT model once it has an adapter), ready to be tuned.

    `base_sha256` is the hash of the packaged model's file, "" for any other base.
    """

    model: Any
    tokenizer: Any
    base: str
    base_sha256: str
    device: str

    @property
    def tuned(self) -> bool:
        """Whether it has an adapter."""
        return isinstance(self.model, PeftModel)

    def encode(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Token ids of a conversation up to the beginning of the model's answer."""
        text = self.tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=True
        )
        return self.ids(text)

    def ids(self, text: str) -> list[int]:
        """Token ids of a text, without a chat template."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)


def load_student(
    base: str = "local", adapter: Path | None = None, device: str | None = None
) -> Student:
    """A model and its tokenizer, in bf16 where the device computes in it, else in fp32.

    Arguments:
        base: "local" for the packaged model, else a folder or a hub's name for transformers.
        adapter: folder of a LoRA adapter for that base, which stays trainable; for the packaged
            model also a folder with GGUF only, or the .gguf file itself.
        device: "cpu" or "cuda"; by default the GPU if there is one.

    Raises InputError for a base that cannot be loaded or has no chat template, and for an adapter
    that cannot be read or has another base; ModelError when the packaged model is missing.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    sha256 = packaged_sha256() if base == "local" else ""
    if adapter is not None:  # before the large base loads, which takes minutes
        _check_card(read_card(adapter), base, sha256)
    if base == "local":
        reader = GGUFReader(packaged_gguf())
        model = _packaged_model(reader, _dtype(device)).to(device)
        student = Student(
            model, _packaged_tokenizer(reader), base=BASE, base_sha256=sha256, device=device
        )
    else:
        student = _transformers_student(base, device)
    if adapter is not None:
        try:
            if base == "local" and not (adapter / PEFT).is_file():
                student.model = _with_gguf(student.model, load_lora(adapter).path)
            else:
                student.model = PeftModel.from_pretrained(student.model, adapter, is_trainable=True)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise InputError(f"{adapter} holds no adapter for {student.base}: {error}") from error
    student.model.eval()
    return student


def load_encoder(base: str) -> Student:
    """A model's tokenizer alone, as a student that only encodes. Raises InputError."""
    if base == "local":
        tokenizer = _packaged_tokenizer(GGUFReader(packaged_gguf()))
    else:
        tokenizer = _transformers_tokenizer(base)
    return Student(None, tokenizer, base=base, base_sha256="", device="cpu")


def hub_model(name: str) -> ModelInfo:
    """A model of a folder or the hub, without its weights. Raises InputError when it has none."""
    try:
        config = AutoConfig.from_pretrained(name)
        template = bool(AutoTokenizer.from_pretrained(name).chat_template)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError) as error:
        line = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise InputError(f"cannot find the model {name}: {line}") from error
    return ModelInfo(
        name=name,
        parameters=model.num_parameters(),
        context=config.max_position_embeddings,
        chat_template=template,
    )


def _with_gguf(model: Any, file: Path) -> PeftModel:
    """The packaged model with a GGUF adapter as PEFT's: reverses `adapters.adapter_to_gguf`."""
    reader = GGUFReader(file)
    config = model.config
    permuted = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    linear = {stored: name for name, stored in LINEAR.items()}
    state: dict[str, torch.Tensor] = {}
    for tensor in reader.tensors:
        _, layer, stored, _, side = tensor.name.split(".")  # blk.0.attn_q.weight.lora_a
        weight = torch.tensor(tensor.data, dtype=torch.float32)
        if side == "lora_b" and stored in permuted:
            weight = _unpermuted(weight, permuted[stored])
        state[f"model.layers.{layer}.{linear[stored]}.lora_{side[-1].upper()}.weight"] = weight
    lora = LoraConfig(
        r=next(len(weight) for name, weight in state.items() if ".lora_A." in name),
        lora_alpha=reader.fields["adapter.lora.alpha"].contents(),
        target_modules=sorted({name.split(".lora_")[0] for name in state}),
        task_type="CAUSAL_LM",
    )
    tuned = get_peft_model(model, lora)
    set_peft_model_state_dict(
        tuned, {f"base_model.model.{name}": weight for name, weight in state.items()}
    )
    return tuned


@cache
def packaged_sha256() -> str:
    """SHA-256 of the packaged model's file. Raises ModelError when it is not installed."""
    with packaged_gguf().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def peak_memory(device: str) -> int:
    """The peak memory of this process in bytes: on the GPU, or of the machine."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _check_card(card: AdapterCard, base: str, sha256: str) -> None:
    if sha256:
        check_base(card, sha256)
    elif card.base_sha256 or card.base != base:
        raise InputError(f"this adapter is for {card.base}, not for {base}: tune one for that")


def _dtype(device: str) -> torch.dtype:
    if device.startswith("cuda"):
        native = torch.cuda.is_bf16_supported()
    else:
        native = torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def _transformers_tokenizer(base: str) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError) as error:
        line = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise InputError(f"cannot load the base model {base}: {line}") from error
    if not tokenizer.chat_template:
        raise InputError(f"{base} has no chat template: take its instruction-tuned variant")
    return tokenizer


def _transformers_student(base: str, device: str) -> Student:
    tokenizer = _transformers_tokenizer(base)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=_dtype(device), attn_implementation="sdpa"
        )
    except (OSError, ValueError) as error:
        line = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise InputError(f"cannot load the base model {base}: {line}") from error
    return Student(model.to(device), tokenizer, base=base, base_sha256="", device=device)


def _packaged_model(reader: GGUFReader, dtype: torch.dtype) -> LlamaForCausalLM:
    """llama.cpp's file as a transformers Llama, with llama.cpp's quantized weights."""

    def field(name: str) -> Any:
        return reader.fields[f"llama.{name}"].contents()

    heads = field("attention.head_count")
    kv_heads = field("attention.head_count_kv")
    config = LlamaConfig(
        name_or_path=BASE,
        vocab_size=field("vocab_size"),
        hidden_size=field("embedding_length"),
        intermediate_size=field("feed_forward_length"),
        num_hidden_layers=field("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=field("context_length"),
        rope_theta=field("rope.freq_base"),
        rms_norm_eps=field("attention.layer_norm_rms_epsilon"),
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )
    tensors = {
        tensor.name: torch.tensor(dequantize(tensor.data, tensor.tensor_type), dtype=dtype)
        for tensor in reader.tensors
    }
    state = {
        "model.embed_tokens.weight": tensors["token_embd.weight"],
        "lm_head.weight": tensors["token_embd.weight"],
        "model.norm.weight": tensors["output_norm.weight"],
    }
    permuted = {"attn_q": heads, "attn_k": kv_heads}
    for layer in range(config.num_hidden_layers):
        for name, stored in {**LINEAR, **_NORMS}.items():
            weight = tensors[f"blk.{layer}.{stored}.weight"]
            if stored in permuted:
                weight = _unpermuted(weight, permuted[stored])
            state[f"model.layers.{layer}.{name}.weight"] = weight
    with no_init_weights():
        model = LlamaForCausalLM(config).to(dtype)
    model.load_state_dict(state, strict=True)
    model.tie_weights()  # converting the type split the shared tensor into two
    return model


def _unpermuted(weight: torch.Tensor, heads: int) -> torch.Tensor:
    # The rotary embedding pairs neighbouring rows in llama.cpp, but the halves of a head in
    # transformers.
    rows, columns = weight.shape
    return weight.view(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)


def _packaged_tokenizer(reader: GGUFReader) -> PreTrainedTokenizerFast:
    """The file's own tokens and merges: transformers' GGUF reader splits numbers differently."""

    def field(name: str) -> Any:
        return reader.fields[f"tokenizer.{name}"].contents()

    tokens = field("ggml.tokens")
    special = [
        token
        for token, kind in zip(tokens, field("ggml.token_type"), strict=True)
        if kind == _CONTROL_TOKEN
    ]
    merges = [tuple(merge.split(" ")) for merge in field("ggml.merges")]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens[field("ggml.bos_token_id")],
        eos_token=tokens[field("ggml.eos_token_id")],
        pad_token=tokens[field("ggml.padding_token_id")],
        additional_special_tokens=special,
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],  # a Llama takes no token types
        clean_up_tokenization_spaces=False,
        chat_template=field("chat_template"),
    )
