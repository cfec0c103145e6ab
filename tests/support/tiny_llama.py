"""A student small enough to tune in a test: random weights, the packaged tokenizer."""

from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from locomo.weights.gguf_model import gguf_tokenizer, open_gguf
from locomo.weights.packs import Example
from locomo.weights.student import Student
from memory.models.gguf.files import packaged_gguf

CHAT = [
    {"role": "system", "content": "Answer shortly."},
    {"role": "user", "content": "Anna: I moved to Oslo.\nWhere does Anna live?"},
]
ANSWERS = ["Oslo", "In Bergen, I think", "She lives in Oslo."]


def tiny_llama(folder: Path) -> str:
    """A Llama of two narrow layers with loud random weights, in this folder."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig(**sizes, **heads, vocab_size=49152, initializer_range=0.3)
    LlamaForCausalLM(config).save_pretrained(folder)
    gguf_tokenizer(open_gguf(packaged_gguf())).save_pretrained(folder)
    return str(folder)


def example(student: Student, text: str, chat: Any = CHAT) -> Example:
    """A chat with this answer, as it is learned."""
    return Example(student.encode(chat), [*student.ids(text), 2])


def alone(student: Student, text: str, temperature: float = 1.0, chat: Any = CHAT) -> Any:
    """Log probabilities of an answer's tokens, by the whole model on this sequence only."""
    prompt, answer = student.encode(chat), [*student.ids(text), 2]
    logits = student.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
    return (logits / temperature).log_softmax(-1)[range(len(answer)), answer]


def trained(student: Student) -> list[Any]:
    """The weights that tuning changes."""
    return [p for p in student.model.parameters() if p.requires_grad]


def shake(student: Student, size: float) -> None:
    """Give an adapter weights that change something."""
    torch.manual_seed(1)
    for weight in trained(student):
        weight.data += size * torch.randn_like(weight)
