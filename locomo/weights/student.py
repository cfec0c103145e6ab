"""A student: a model with tunable weights, and its tokenizer; "local" is the packaged model."""

import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from locomo.weights.arbor_client import ModelInfo
from locomo.weights.gguf_model import (
    LINEAR,
    gguf_model,
    gguf_tokenizer,
    open_gguf,
    permuted_heads,
    unpermuted,
)
from memory.errors import InputError
from memory.models import (
    BASE,
    PEFT,
    AdapterCard,
    check_base,
    file_of,
    file_sha256,
    is_file,
    lora_of,
    packaged_gguf,
    read_card,
    read_model,
)


@dataclass
class Student:
    """A transformers model (a PEFT model once it has an adapter), ready to be tuned.

    `base_sha256` is the hash of the GGUF file that it was read from, "" for any other base.
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
        base: "local" for the packaged model, "gguf:FILE" for a model's file as llama.cpp runs it,
            else a folder or a hub's name for transformers.
        adapter: folder of a LoRA adapter for that base, which stays trainable; for a model of a
            file also a folder with GGUF only, or the .gguf file itself.
        device: "cpu" or "cuda"; by default the GPU if there is one.

    Raises InputError for a base that cannot be loaded or has no chat template, and for an adapter
    that cannot be read or has another base; ModelError when the packaged model is missing.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    name, file = _named_file(base)
    sha256 = file_sha256(file) if file else ""
    if adapter is not None:  # before the large base loads, which takes minutes
        _check_card(read_card(adapter), name, sha256)
    if file:
        reader = open_gguf(file)
        model = gguf_model(reader, name, _dtype(device)).to(device)
        student = Student(
            model, gguf_tokenizer(reader), base=name, base_sha256=sha256, device=device
        )
    else:
        student = _transformers_student(base, device)
    if adapter is not None:
        try:
            if file and not (adapter / PEFT).is_file():
                student.model = _with_gguf(student.model, _gguf_adapter(base, adapter))
            else:
                student.model = PeftModel.from_pretrained(student.model, adapter, is_trainable=True)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise InputError(f"{adapter} holds no adapter for {student.base}: {error}") from error
    student.model.eval()
    return student


def load_encoder(base: str) -> Student:
    """A model's tokenizer alone, as a student that only encodes. Raises InputError."""
    name, file = _named_file(base)
    tokenizer = gguf_tokenizer(open_gguf(file)) if file else _transformers_tokenizer(base)
    return Student(None, tokenizer, base=name, base_sha256="", device="cpu")


def _named_file(base: str) -> tuple[str, Path | None]:
    """The name of a base for cards and messages, and the GGUF file that it is read from."""
    if base == "local":
        return BASE, packaged_gguf()
    if not is_file(base):
        return base, None
    model = read_model(file_of(base))
    return model.name, model.path


def _file_name(base: str) -> str:
    """What names the file of a base that has one."""
    return "gguf:packaged" if base == "local" else base


def _gguf_adapter(base: str, adapter: Path) -> Path:
    return lora_of(read_model(file_of(_file_name(base))), adapter).path


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
    """A file's model with a GGUF adapter as PEFT's: reverses `adapters.adapter_to_gguf`."""
    reader = GGUFReader(file)
    permuted = permuted_heads(model.config)
    linear = {stored: name for name, stored in LINEAR.items()}
    state: dict[str, torch.Tensor] = {}
    for tensor in reader.tensors:
        _, layer, stored, _, side = tensor.name.split(".")  # blk.0.attn_q.weight.lora_a
        weight = torch.tensor(tensor.data, dtype=torch.float32)
        if side == "lora_b" and stored in permuted:
            weight = unpermuted(weight, permuted[stored])
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


def peak_memory(device: str) -> int:
    """The peak memory of this process in bytes: on the GPU, or of the machine."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _check_card(card: AdapterCard, base: str, sha256: str) -> None:
    if sha256:
        check_base(card, sha256, of=base)
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
